"""The ledger: every try written down before and after, priced, and added up."""
