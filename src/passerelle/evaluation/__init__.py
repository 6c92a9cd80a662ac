"""Measures what Passerelle promises of quality, on data that its user gives: `passerelle cache eval`."""
