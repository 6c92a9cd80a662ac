"""`make soak`: the real service under more load than it can serve, then for minutes under everything that callers do."""
