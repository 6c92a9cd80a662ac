"""Each tenant's documents: read, indexed, found, and answered from with sources that can be checked."""
