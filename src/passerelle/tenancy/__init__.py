"""Who is calling: keys of tenants, made, found, rotated and revoked."""
