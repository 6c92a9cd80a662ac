"""Texts of a tenant's made better in bulk by recipes: estimated first, checked always, and decided on by a person."""
