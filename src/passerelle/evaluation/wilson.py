"""Wilson's score interval, where the evaluations look for it."""

from __future__ import annotations

from passerelle.domain.shares import Z_95, Share, wilson

__all__ = ["Z_95", "Share", "wilson"]
