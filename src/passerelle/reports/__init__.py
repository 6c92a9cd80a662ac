"""What a month has cost whom: read from the ledger, worked out purely, written in several forms."""
