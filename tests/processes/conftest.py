"""What tests of whole processes share."""

from tests.models import model_cache

__all__ = ["model_cache"]
