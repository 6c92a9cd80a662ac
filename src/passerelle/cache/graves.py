"""What has been deleted, by number: what was begun before a deletion is neither kept nor believed after it.

Numbers rather than times, since the clocks of two machines differ and a deletion must not be undone by that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from passerelle.cache.entry import Kept, Member
from passerelle.cache.secrets import Secrets

EVERYTHING = ""  # the label of all that a tenant has
_TAGS = 4_096  # whose digest is remembered
_MOST = 5_000  # of a tenant; the same as in shared.lua


class Mark(NamedTuple):
    """A moment among deletions. Those of two epochs cannot be compared: whatever was begun in another is too old."""

    epoch: str
    seq: int


class Graves:
    """The last deletion of each label, tenant by tenant, as far as this process has heard."""

    def __init__(self) -> None:
        self.seq = 0  # of the last deletion or change heard of
        self._of: dict[str, dict[str, int]] = {}

    def note(self, tenant: str, label: str, seq: int) -> None:
        """That label was deleted: everything that was begun before is gone."""
        self.seq = max(self.seq, seq)
        labels = self._of.setdefault(tenant, {})
        seq = max(seq, labels.pop(label, 0))
        labels[label] = seq
        if len(labels) > _MOST:
            # The oldest is forgotten, and with it all that is older still.
            oldest = min((name for name in labels if name != EVERYTHING), key=labels.__getitem__)
            labels[EVERYTHING] = max(labels.pop(oldest), labels.get(EVERYTHING, 0))

    def holds(self, tenant: str, labels: Iterable[str], since: int) -> bool:
        """Has anything with these labels been deleted after that number?"""
        graves = self._of.get(tenant)
        if not graves:
            return False
        return graves.get(EVERYTHING, 0) > since or any(graves.get(label, 0) > since for label in labels)


class Labels:
    """By what an answer or a question can be deleted. Tags are the callers' words: a store sees digests.

    Subjects are pseudonyms already.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._tag = lru_cache(_TAGS)(
            lambda tenant, tag: f"t:{secrets.hmac(tenant, 'tag', tag.encode(errors='surrogatepass'))[:32]}"
        )

    def of(self, entry: Kept | Member) -> list[str]:
        """All labels of an entry; a question is also deleted with the answer that is given for it."""
        labels = [of_id(entry.id)]
        if isinstance(entry, Member):
            labels.append(of_id(entry.cluster))
        labels += [self.of_tag(entry.tenant, tag) for tag in entry.tags]
        return labels + [of_subject(subject) for subject in entry.subjects]

    def of_tag(self, tenant: str, tag: str) -> str:
        """The label of a tag."""
        return str(self._tag(tenant, tag))

    def having(self, tenant: str, label: str) -> Callable[[Kept | Member], bool]:
        """Whether an entry of that tenant has a label: as `of`, for very many entries."""
        kind, name = label[:2], label[2:]
        if label == EVERYTHING:
            return lambda entry: entry.tenant == tenant
        if kind == "i:":
            return lambda entry: entry.tenant == tenant and name in {entry.id, getattr(entry, "cluster", "")}
        if kind == "s:":
            return lambda entry: entry.tenant == tenant and name in entry.subjects
        return lambda entry: entry.tenant == tenant and label in [self.of_tag(tenant, t) for t in entry.tags]


def of_subject(pseudonym: str) -> str:
    """The label of a pseudonym."""
    return f"s:{pseudonym}"


def of_id(entry: str) -> str:
    """The label of an entry's id."""
    return f"i:{entry}"


def sought(
    labels: Labels, tenant: str, chosen: Mapping[str, str | None], *, everything: bool
) -> Sequence[str]:
    """The labels that a deletion names by `answer`, `cluster`, `tag` or `subject`: each of them is deleted."""
    if everything:
        return [EVERYTHING]
    makers = {
        "answer": of_id,
        "cluster": of_id,
        "tag": lambda tag: labels.of_tag(tenant, tag),
        "subject": of_subject,
    }
    found = [makers[kind](name) for kind, name in chosen.items() if name is not None]
    return list(dict.fromkeys(found))
