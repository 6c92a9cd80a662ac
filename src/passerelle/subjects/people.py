"""What a request says of the person it is for, before anybody else hears of it.

A person's name is replaced by its pseudonym, or left out where the tenant says so, in every field that may hold it;
whoever needs to tell people apart has the pseudonym beside the body. Fields of `metadata` whose names promise personal
data are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from passerelle.domain.ask import Ask
from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import Forbidden
from passerelle.domain.people import is_about_people
from passerelle.domain.privacy import UserField
from passerelle.subjects.pseudonyms import Pseudonyms
from passerelle.subjects.restrictions import Restrictions

# OpenAI's names for the person a request is for, the one that counts first; the second has taken the first one's place.
_PERSON = ("user", "safety_identifier")
# What an engine's cache is found by: callers put anything there, people's names too, and only its being the same counts.
_KEY = "prompt_cache_key"
_FIELDS = (*_PERSON, _KEY)  # of one name, in the order in which they count


@dataclass(frozen=True, slots=True)
class Words:
    """What was said, without names. `subjects` are the pseudonyms of those it named, the one it is for first."""

    body: dict[str, Any]
    subjects: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """Whom it is for; "" where nobody was named."""
        return self.subjects[0] if self.subjects else ""


class People:
    """Takes names out of requests, and knows whose data may not be used. Asks nobody."""

    def __init__(
        self,
        pseudonyms: Pseudonyms,
        restrictions: Restrictions | None = None,
        *,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`told` hears of each request that was refused, by its tenant."""
        self._pseudonyms = pseudonyms
        self._restrictions = restrictions
        self._told = told

    def of(self, tenant: str, user: str) -> str:
        """The pseudonym of a name; "" for none."""
        return self._pseudonyms.of(tenant, user) if user else ""

    def named(self, tenant: Tenant, ask: Ask) -> tuple[Ask, tuple[str, ...]]:
        """A request as everybody else hears of it, and the pseudonyms of those it named.

        One whose `subject` is known holds no name any more.
        """
        if ask.subject:
            return ask, (ask.subject,)
        words = self.unnamed(tenant, ask.body)
        if words.body is ask.body:
            return ask, ()
        return replace(ask, body=words.body, subject=words.subject), words.subjects

    def unnamed(self, tenant: Tenant, said: dict[str, Any]) -> Words:
        """The same without names; what holds none stays the very object that it is."""
        metadata = said.get("metadata")
        personal = _personal(metadata) if isinstance(metadata, dict) else None
        if not personal and said.keys().isdisjoint(_FIELDS):
            return Words(said)
        body = dict(said)
        subjects: list[str] = []
        names: dict[str, str] = {}  # of people, and what stands in their place
        for name in _FIELDS:
            value = body.get(name)
            if not isinstance(value, str) or not value:
                body.pop(name, None)
                continue
            pseudonym = self._pseudonyms.of(tenant.name, value)
            if name != _KEY:
                names[value] = pseudonym
                if pseudonym not in subjects:
                    subjects.append(pseudonym)
            if tenant.privacy.user is UserField.PSEUDONYM:
                body[name] = pseudonym  # in its place
            else:
                del body[name]
        if personal and isinstance(metadata, dict):
            body["metadata"] = {name: value for name, value in metadata.items() if name not in personal}
        if names and isinstance(messages := body.get("messages"), list):
            body["messages"] = _spoken(messages, names, kept=tenant.privacy.user is UserField.PSEUDONYM)
        return Words(body, tuple(subjects))

    def admit(self, tenant: str, subjects: Iterable[str]) -> None:
        """Raises Forbidden where the data of anybody of these may not be used."""
        for subject in subjects:
            self.check(tenant, subject)

    def check(self, tenant: str, subject: str) -> None:
        """Raises Forbidden where the data of that pseudonym may not be used."""
        if subject and self._restrictions is not None and self._restrictions.holds(tenant, subject):
            self._told(tenant)
            raise Forbidden(
                "The data of the person that `user` names may be kept, and not used; lift the restriction first.",
                code="subject_restricted",
                param="user",
            )


def _spoken(messages: list[Any], names: Mapping[str, str], *, kept: bool) -> list[Any]:
    """Messages whose `name` is not that of a person whom the request names elsewhere; the very list, where none is.

    Any other name is a word of the conversation, which models tell its speakers apart by.
    """
    found = {
        number: names[said]
        for number, each in enumerate(messages)
        if isinstance(each, dict) and isinstance(said := each.get("name"), str) and said in names
    }
    if not found:
        return messages
    spoken = list(messages)
    for number, pseudonym in found.items():
        rest = {name: value for name, value in messages[number].items() if name != "name"}
        spoken[number] = {**rest, "name": pseudonym} if kept else rest
    return spoken


def _personal(metadata: Mapping[Any, Any]) -> frozenset[str]:
    return frozenset(name for name in metadata if isinstance(name, str) and is_about_people(name.lower()))
