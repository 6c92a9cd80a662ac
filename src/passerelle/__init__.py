"""Passerelle: one OpenAI-style API over every place a Hugging Face model can run."""

__version__ = "0.1.0"
