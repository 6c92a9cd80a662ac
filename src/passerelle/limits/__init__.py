"""Limits of rate and number, queues before full backends, and backends that are left alone for a while."""
