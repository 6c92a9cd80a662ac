"""Engines, pools, migrations and the data folder; no queries."""
