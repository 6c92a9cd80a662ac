"""The database fixtures."""

from tests.database import database, database_url, postgres

__all__ = ["database", "database_url", "postgres"]
