"""What a tenant says about people's data, from the file to values."""

from __future__ import annotations

from typing import Any, Literal

from passerelle.config.privacy import PromptLogFields, RedactionFields
from passerelle.domain.catalog import Tenant
from passerelle.domain.privacy import EVERYWHERE, Marking, Privacy, PromptLog, Redaction, UserField
from passerelle.routing.agreements import Get

_USUAL = Privacy()


def privacy(get: Get) -> Privacy:
    """What the file says of a tenant, or its defaults do."""
    marking = Marking(
        enabled=_or(get("privacy", "marking", "enabled")[0], _USUAL.marking.enabled),
        disclosure=dict(get("privacy", "marking", "disclosure")[0] or {}),
    )
    return Privacy(
        redaction=_redaction(get("privacy", "redact")[0]),
        prompt_log=_prompt_log(get("privacy", "log_prompts")[0]),
        encrypted=_or(get("privacy", "encrypt")[0], _USUAL.encrypted),
        user=UserField(_or(get("privacy", "user")[0], _USUAL.user)),
        special=frozenset(get("privacy", "special")[0] or ()),
        minors=bool(get("privacy", "minors")[0]),
        end_user_facing=bool(get("privacy", "end_user_facing")[0]),
        marking=marking,
    )


def _redaction(said: RedactionFields | Literal[False] | None) -> Redaction | None:
    if not isinstance(said, RedactionFields):
        return None
    fields = frozenset(said.fields) if said.fields is not None else EVERYWHERE
    return Redaction(frozenset(said.kinds), fields, said.restore, said.names)


def _prompt_log(said: PromptLogFields | Literal[False] | None) -> PromptLog | None:
    if not isinstance(said, PromptLogFields):
        return None
    return PromptLog(said.purpose, said.keep, said.until)


def _or(said: Any, unsaid: Any) -> Any:
    return unsaid if said is None else said


def guarded(tenant: Tenant) -> dict[str, Any]:
    """What is said of people's data, by the words of the file; what is as if nothing were said is None."""
    said = tenant.privacy
    redaction, log = said.redaction, said.prompt_log
    told: dict[str, Any] = {
        "privacy.redact": sorted(redaction.kinds) if redaction else None,
        "privacy.log_prompts": f"{log.keep:.10g}s until {log.until.isoformat()}" if log else None,
        "privacy.encrypt": _other(said.encrypted, _USUAL.encrypted),
        "privacy.user": _other(said.user.value, _USUAL.user.value),
        "privacy.special": sorted(said.special) or None,
        "privacy.minors": _other(said.minors, _USUAL.minors),
        "privacy.end_user_facing": _other(said.end_user_facing, _USUAL.end_user_facing),
        "privacy.marking.enabled": _other(said.marking.enabled, _USUAL.marking.enabled),
    }
    if redaction is not None:
        told["privacy.redact.fields"] = sorted(redaction.fields) if redaction.fields != EVERYWHERE else None
        told["privacy.redact.restore"] = _other(redaction.restore, True)  # noqa: FBT003
        told["privacy.redact.names"] = _other(redaction.names.value, "form")
    for language, text in sorted(said.marking.disclosure.items()):
        told[f"privacy.marking.disclosure.{language}"] = text
    return told


def _other(value: Any, usual: Any) -> Any:
    return None if value == usual else value
