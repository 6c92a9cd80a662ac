"""What was done to keys, configuration and people's data, in chains that show when a link is missing."""
