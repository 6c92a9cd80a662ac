"""From `providers.yaml` to a `Plan`: which targets may answer whom, in which order, and why not the others."""
