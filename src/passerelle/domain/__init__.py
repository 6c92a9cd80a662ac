"""Values and protocols of the whole house: no I/O, no framework."""
