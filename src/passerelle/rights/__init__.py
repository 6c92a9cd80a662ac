"""What people may ask about their data, done over every store, with a receipt."""
