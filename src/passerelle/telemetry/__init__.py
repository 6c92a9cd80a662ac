"""Logs and metrics: set up here, told by records, never called by the core."""
