"""The model's own tokenizer: true counts, cuts at a token's edge, and token ids that callers send."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from passerelle.backends.builtin.errors import BadInput, ModelMissing


class Tokens:
    """A tokenizer without truncation or padding. Safe to share between threads."""

    def __init__(self, file: Path) -> None:
        from tokenizers import Tokenizer  # noqa: PLC0415 - only when a model is loaded

        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises a bare Exception for every kind of bad file
            raise ModelMissing(
                f"The tokenizer {file} cannot be read.", "Copy the model's own tokenizer.json."
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        framed = self._tokenizer.encode("a")
        inside = [i for i, special in enumerate(framed.special_tokens_mask) if not special]
        first, last = (inside[0], inside[-1]) if inside else (0, 0)
        self._before = framed.ids[:first]
        self._after = framed.ids[last + 1 :]
        self.vocabulary = self._tokenizer.get_vocab_size(with_added_tokens=True)

    @property
    def frame(self) -> int:
        """How many special tokens the model wants around a text."""
        return len(self._before) + len(self._after)

    def ids(self, text: str) -> list[int]:
        """The text's token ids, without special tokens."""
        ids: list[int] = self._tokenizer.encode(_encodable(text), add_special_tokens=False).ids
        return ids

    def checked(self, ids: Sequence[int]) -> list[int]:
        """Ids sent by a caller, without the special tokens they may carry at the ends.

        Raises BadInput for an id outside the vocabulary: it comes from another model's tokenizer.
        """
        wrong = next((i for i in ids if not 0 <= i < self.vocabulary), None)
        if wrong is not None:
            raise BadInput(
                "input",
                f"holds the token id {wrong}, but this model's last is {self.vocabulary - 1}: the ids "
                "come from another model's tokenizer. Send text instead.",
            )
        inner = list(ids)
        if self._before and inner[: len(self._before)] == self._before:
            inner = inner[len(self._before) :]
        if self._after and inner[-len(self._after) :] == self._after:
            inner = inner[: -len(self._after)]
        return inner

    def framed(self, ids: Sequence[int], limit: int) -> list[int]:
        """The ids between the model's special tokens, cut so that no more than `limit` come out."""
        return [*self._before, *ids[: max(0, limit - self.frame)], *self._after]

    def count(self, text: str) -> int:
        """Tokens of the text, without special tokens."""
        return len(self.ids(text))

    def cut(self, text: str, limit: int) -> str:
        """The longest beginning of `text` that holds at most `limit` tokens and ends where a token ends."""
        offsets = self._tokenizer.encode(_encodable(text), add_special_tokens=False).offsets
        if len(offsets) <= limit:
            return text
        return text[: offsets[limit - 1][1]] if limit > 0 else ""


def _encodable(text: str) -> str:
    """The text with each lone surrogate, which no tokenizer can read, replaced by `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")
