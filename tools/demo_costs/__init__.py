"""A month of generated traffic, booked and reported as the service does it, and summed again without the ledger."""
