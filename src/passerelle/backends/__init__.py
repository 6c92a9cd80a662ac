"""Kinds of backend: one file each and one line in `registry.py`."""
