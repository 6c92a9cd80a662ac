"""The documents of data protection: made from what runs, checked against what was served."""
