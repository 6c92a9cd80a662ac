"""What came of asking for a value of a schema: the value, or a failure that keeps all that was said and used.

No LangChain is imported here, so that whoever catches the failure need not wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from passerelle.domain.errors import Fault, PasserelleError, UpstreamFailed

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage
    from langchain_core.messages.ai import UsageMetadata

Value = TypeVar("Value")


class Reason(StrEnum):
    """Why an answer is no value of its schema."""

    EMPTY = "empty"
    TRUNCATED = "truncated"  # it was cut before its end
    FILTERED = "filtered"  # the engine kept it back, or the model refuses
    NOT_JSON = "not_json"
    SEVERAL = "several"  # it holds more than one value
    MISMATCH = "mismatch"  # JSON, and not what the schema says


@dataclass(frozen=True, slots=True)
class Structured(Generic[Value]):
    """A value, and the answers that led to it: one, or two where the first was repaired."""

    value: Value
    turns: tuple[AIMessage, ...]
    usage: UsageMetadata | None  # of all turns together; None where no engine counted

    @property
    def repaired(self) -> bool:
        """Was the first answer no value of the schema?"""
        return len(self.turns) > 1


class Unstructured(UpstreamFailed):
    """No answer was a value of the schema. Its message holds nothing of what was said; `raw` does.

    `turns` and `usage` are of all answers. `wrong` says what is, in the words that the model was told, and may quote it.
    `error` is why the answer could not be repaired where the gateway gave no second one.
    """

    code = "not_structured"

    def __init__(
        self,
        reason: Reason,
        *,
        raw: str,
        wrong: str,
        turns: tuple[AIMessage, ...],
        usage: UsageMetadata | None,
        error: PasserelleError | None = None,
    ) -> None:
        super().__init__(Fault.BROKEN, f"The model's answer is no value of the schema: {_WORDS[reason]}.")
        self.reason = reason
        self.raw = raw
        self.wrong = wrong
        self.turns = turns
        self.usage = usage
        self.error = error


_WORDS = {
    Reason.EMPTY: "it is empty",
    Reason.TRUNCATED: "it was cut before its end",
    Reason.FILTERED: "it was refused or kept back",
    Reason.NOT_JSON: "it is not JSON",
    Reason.SEVERAL: "it holds more than one value",
    Reason.MISMATCH: "its JSON is not what the schema says",
}
