"""The `builtin` kind: a small embedding model in process, and answers quoted from the text that was given."""
