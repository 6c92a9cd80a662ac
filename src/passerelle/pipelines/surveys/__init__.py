"""What people answered in a survey: read, masked, understood, measured and reported."""
