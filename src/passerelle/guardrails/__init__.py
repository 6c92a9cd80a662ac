"""What a tenant forbids in what is asked and answered: rules, and how streams are watched."""
