"""French and English as they are compared: folding, words, stems, languages, personal data. Pure functions."""
