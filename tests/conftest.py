"""Fixtures that several rooms use."""

from tests.database import database, database_url, postgres

__all__ = ["database", "database_url", "postgres"]
