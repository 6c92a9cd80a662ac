"""Passages found again: vectors and words per tenant and collection, embedded or on a Qdrant server, behind one seam."""
