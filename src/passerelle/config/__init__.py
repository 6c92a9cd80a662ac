"""The words of `providers.yaml` that kinds of backend share: strict fields, secrets, locations, limits."""
