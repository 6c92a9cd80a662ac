"""What a job of texts has written, as people read it and as other programs take it."""
