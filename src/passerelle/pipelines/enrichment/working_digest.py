"""The digest of everything that what is written of a piece depends on: equal digests need no second answer. Pure."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import orjson

from passerelle.domain.content import Brand, Piece, Recipe
from passerelle.pipelines.enrichment.recipes import FRAME

_VERSION = 1  # of what is in it


class Digests:
    """Of one tenant's pieces under one recipe, brand and model. `offline`: no language model takes part."""

    def __init__(self, tenant: str, recipe: Recipe, brand: Brand, *, model: str, offline: bool) -> None:
        # The brand's number says nothing: an older version that is set again is the same brand.
        words = [_VERSION, FRAME, tenant, recipe, replace(brand, version=0), model, offline]
        self._common = sha256(orjson.dumps(words, option=orjson.OPT_SORT_KEYS))

    def of(self, piece: Piece) -> bytes:
        """32 bytes. A piece's key says nothing: the same text under another key is the same text."""
        found = self._common.copy()
        words = [piece.form, piece.text, piece.title, dict(piece.beside), piece.language]
        found.update(orjson.dumps(words, option=orjson.OPT_SORT_KEYS))
        return found.digest()
