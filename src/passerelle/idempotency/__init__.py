"""The same request sent twice is answered twice and run once."""
