"""What a survey found, written in several forms: a page, tables for a spreadsheet, and JSON."""
