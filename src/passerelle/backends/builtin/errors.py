"""What the built-in engine says when it cannot do something; the backend turns each into a fault of its own.

BuiltinError
├── ModelMissing    no usable model file: the operator must act
├── BadInput        a field of the request is malformed
├── Unsupported     the request needs something that an engine without a language model cannot do
└── CannotFill      a property of the JSON schema has no honest value in the given text
"""

from __future__ import annotations


class BuiltinError(Exception):
    """Root of the tree. `message` is for people and never holds any text of the request."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ModelMissing(BuiltinError):
    """The embedding model cannot be found, built or loaded."""

    def __init__(self, cause: str, cure: str) -> None:
        super().__init__(f"{cause} {cure}")
        self.cause = cause
        self.cure = cure


class BadInput(BuiltinError, ValueError):
    """A field of the request is malformed; `param` names it."""

    def __init__(self, param: str, reason: str) -> None:
        super().__init__(f"'{param}' {reason}")
        self.param = param


class Unsupported(BuiltinError):
    """The request needs something this engine does not have; `what` names the field that asks for it."""

    def __init__(self, what: str, reason: str = "") -> None:
        because = f": {reason}" if reason else ""
        super().__init__(
            f"The built-in engine has no language model and does not support '{what}'{because}. "
            "Route this model to another kind of backend for it."
        )
        self.what = what


class CannotFill(BuiltinError):
    """A property of the JSON schema cannot be filled without inventing; `reason` says why."""

    def __init__(self, property_path: str, reason: str) -> None:
        name = property_path or "(root)"
        super().__init__(f"The built-in engine cannot fill '{name}' of the JSON schema: {reason}.")
        self.property = name
        self.reason = reason
