"""Answers that may be given again: which, to whom, for how long, and how often that may be wrong."""
