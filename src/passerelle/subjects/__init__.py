"""People as tenants name them: pseudonyms, who has seen what they sent, and whose data may not be used."""
