"""What a comment says about a person is replaced before anybody reads on: `[email_1]`, `[phone_1]`, `[name_1]`.

The same value has the same placeholder throughout one answer, and none of it can be turned back. Recognised by form
(`text/personal.py`): a name in the middle of a sentence stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from passerelle.text.personal import found

_INTRODUCTION = re.compile(
    r"^(?:je m['’]appelle|mon nom est|my name is|i am called|M\.|Mme|Mlle|Mr\.?|Mrs\.?|Ms\.?|Monsieur|Madame) ",
    re.IGNORECASE,
)
_LESSONS = re.compile(r"\bcours\b", re.IGNORECASE)  # `3 cours de Python` is where nobody lives
_SIGN = re.compile(
    r"[@\d]|[Jj]e m['’]|[Mm]on nom|[Mm]y name|[Ii] am called|\b(?:M\.|M[lm]|Mrs?|Ms|Mon|Mad)", re.ASCII
)


class Masks:
    """The placeholders of one answer. `counts` says how many different values were masked, by kind."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self._of_kind: dict[str, int] = {}

    @property
    def counts(self) -> Mapping[str, int]:
        """Different values that were masked so far, by kind."""
        return dict(self._of_kind)

    def masked(self, text: str, *, names: bool = True) -> str:
        """The text with placeholders. `names=False` leaves names, as in a segment that is a trainer's name."""
        if not _SIGN.search(text):
            return text  # nearly every comment, in a fraction of the time
        pieces: list[str] = []
        at = 0
        for kind, start, end in found(text):
            begin = start
            if kind == "name":
                if not names:
                    continue
                introduced = _INTRODUCTION.match(text[start:end])
                begin = start + (introduced.end() if introduced else 0)
            elif kind == "address" and _LESSONS.search(text[start:end]):
                continue
            pieces += [text[at:begin], self._placeholder(kind, text[begin:end])]
            at = end
        return "".join([*pieces, text[at:]])

    def _placeholder(self, kind: str, value: str) -> str:
        plain = value if kind == "email" else re.sub(r"[\W_]", "", value)
        same = (kind, plain.casefold())
        if same not in self._known:
            self._of_kind[kind] = self._of_kind.get(kind, 0) + 1
            self._known[same] = f"[{kind}_{self._of_kind[kind]}]"
        return self._known[same]
