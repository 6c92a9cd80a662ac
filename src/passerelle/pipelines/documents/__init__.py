"""Documents as text: told apart by their content, read in processes of their own, cut into passages."""
