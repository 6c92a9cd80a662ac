"""What end-to-end tests share."""

from tests.models import model_cache

__all__ = ["model_cache"]
