"""What the Hub says of a model's origin: its revision, licence, author and what it was made from; through `huggingface_hub`.

Asked as nobody in particular: what only an account may see stays unknown. The library is synchronous, so every question
runs in a thread and with a limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.blocking import Blocking

_SECONDS = 15.0  # for one question
_LATE = "The Hub did not answer within the limit."
_MOST = 10  # base models that are kept
_LONGEST = 200  # characters of anything that is kept
_RELATIONS = ("finetune", "adapter", "merge", "quantized")


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model as its repository tells of it. None and () where it does not say."""

    model: str
    revision: str | None  # that its main branch had when it was asked
    author: str | None
    licence: str | None
    base_models: tuple[str, ...]
    relation: str | None  # to those: finetune, adapter, merge or quantized
    gated: bool | None  # must one ask for leave to have its files?


class ModelCards:
    """Asks the Hub. Every question may be repeated."""

    def __init__(self) -> None:
        self._threads = Blocking(seconds=_SECONDS, late=_LATE)

    async def of(self, model: str) -> ModelCard | None:
        """What the Hub says of a model; None where it has none of that name that is public. Raises UpstreamFailed."""
        return await self._threads.call(model, lambda: self._in_thread(model))

    def _in_thread(self, model: str) -> ModelCard | None:
        import httpx2  # noqa: PLC0415 - the library's own client
        from huggingface_hub import HfApi  # noqa: PLC0415 - a second, and only where it is needed
        from huggingface_hub.errors import (  # noqa: PLC0415
            HfHubHTTPError,
            HFValidationError,
            RepositoryNotFoundError,
        )

        try:
            # False, not None: the token of whoever logged in on this machine is not ours to send.
            api = HfApi(token=False, library_name="passerelle")
            wanted: Any = ["author", "cardData", "gated", "sha", "tags"]
            return _card(model, api.model_info(model, expand=wanted, timeout=_SECONDS))
        except (RepositoryNotFoundError, HFValidationError):
            return None
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status in (401, 403, 404):
                return None
            raise UpstreamFailed(Fault.SERVER, f"The Hub answered {status}.") from error
        except httpx2.TimeoutException as error:
            raise UpstreamFailed(Fault.TIMEOUT_CONNECT, _LATE) from error
        except (httpx2.HTTPError, OSError) as error:  # the library's offline mode among them
            raise UpstreamFailed(Fault.CONNECT, "The Hub cannot be reached.") from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UpstreamFailed(Fault.BROKEN, "What the Hub said was not understood.") from error


def _card(model: str, info: Any) -> ModelCard:
    tags = [tag for tag in info.tags or () if isinstance(tag, str)]
    said = info.card_data.to_dict() if hasattr(info.card_data, "to_dict") else {}
    bases, relation = _bases(tags, said)
    return ModelCard(
        model=model,
        revision=_text(info.sha),
        author=_text(info.author) or (model.partition("/")[0] if "/" in model else None),
        licence=_licence(tags, said),
        base_models=bases,
        relation=relation,
        gated=None if info.gated is None else bool(info.gated),
    )


def _licence(tags: Iterable[str], said: Mapping[str, Any]) -> str | None:
    """Its name on the Hub; `other` is told with the name that its author gives it."""
    found = _text(said.get("license")) or next(
        (_text(tag.removeprefix("license:")) for tag in tags if tag.startswith("license:")), None
    )
    if found == "other":
        return _text(said.get("license_name")) or found
    return found


def _bases(tags: Iterable[str], said: Mapping[str, Any]) -> tuple[tuple[str, ...], str | None]:
    """What it was made from, and how; the Hub works that out as tags `base_model:<relation>:<id>`."""
    relation: str | None = _text(said.get("base_model_relation"))
    found: dict[str, None] = {}
    for tag in tags:
        if not tag.startswith("base_model:"):
            continue
        rest = tag.removeprefix("base_model:")
        kind, _, base = rest.partition(":")
        if kind in _RELATIONS:
            relation = relation or kind
            rest = base
        if text := _text(rest):
            found[text] = None
    named = said.get("base_model")
    for each in named if isinstance(named, list) else [named]:
        if text := _text(each):
            found[text] = None
    return tuple(found)[:_MOST], relation if relation in _RELATIONS else None


def _text(said: Any) -> str | None:
    return said[:_LONGEST] if isinstance(said, str) and said.strip() and said.isprintable() else None
