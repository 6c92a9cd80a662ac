"""Reading a document in the test's own process, as the child does."""

from passerelle.pipelines.documents import child
from passerelle.pipelines.documents.parsed import Limits, Parsed, from_answer


def read(content: bytes, *, name: str = "", declared: str = "", limits: Limits | None = None) -> Parsed:
    """The document; what the child says of it is checked as in the parent."""
    return from_answer(child.answer(content, name, declared, limits or Limits()))


def refused(content: bytes, *, name: str = "", declared: str = "", limits: Limits | None = None) -> str:
    """The code with which it is refused; empty where it is read."""
    return str(child.answer(content, name, declared, limits or Limits()).get("refused", ""))
