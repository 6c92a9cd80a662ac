"""What is stored of a tenant is sealed with a key of its own: its end is the end of every copy."""
