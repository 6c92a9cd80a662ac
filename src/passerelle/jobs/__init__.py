"""Work that outlives its request: jobs of items, done once each, by any number of workers."""
