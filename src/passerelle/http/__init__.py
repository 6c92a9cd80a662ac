"""Speaks HTTP and decides nothing: one file per resource, one place that knows status codes."""
