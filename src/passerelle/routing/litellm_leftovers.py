"""What a LiteLLM proxy's file says and ours does not, field by field with its line and what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from passerelle.routing.notes import Notes
from passerelle.routing.source import Path

_LIMIT = "Nothing here limits a backend; limit it at the engine."
_PRICE = "Write it as the `cost` of the target or its backend; `passerelle costs prices` shows what applies."
_BUDGET = "Give each client company a `budget`, per key or model too."
_REQUEST = "Have callers send it: a request goes on as it came."
_RETRY = "`attempts` of a tenant says how often a request is tried over all its targets."
_CREDENTIALS = "Set it in Passerelle's environment, where the provider's own library reads it."
_LOGS = "Passerelle writes logs and metrics of its own; /metrics has them."
_ACCESS = "Give each client company a tenant: `models.allow` and `backends.deny` say what it may use."
_KEYS = "Make keys with `passerelle keys create`; the first admin key with `--role admin`."
_DATABASE = "Passerelle's database is DATABASE_URL, or its own in the data folder."
_LONG = "Give targets their `context`, so that a request that is too long goes to one that can take it."
_OTHER = "There is no such field here."

# What to do about a field, by how its name begins or what it holds; the first that fits.
_CURES = (
    ("rpm", _LIMIT), ("tpm", _LIMIT), ("itpm", _LIMIT), ("otpm", _LIMIT), ("max_parallel", _LIMIT),
    ("default_api_key_", _LIMIT), ("max_budget", _BUDGET), ("budget_duration", _BUDGET), ("default_max_", _LIMIT),
    ("provider_budget", _BUDGET),
    ("_cost", _PRICE), ("cost_", _PRICE), ("base_model", _PRICE), ("ptu_", _PRICE),
    ("num_retries", _RETRY), ("max_retries", _RETRY), ("retry_", _RETRY), ("allowed_fails", _RETRY),
    ("cooldown", _RETRY), ("max_fallbacks", _RETRY), ("model_group_retry", _RETRY),
    ("context_window_fallbacks", _LONG), ("enable_pre_call_checks", _LONG),
    ("tags", _ACCESS), ("tag_", _ACCESS), ("enable_tag", _ACCESS), ("team", _ACCESS), ("access_groups", _ACCESS),
    ("default_team", _ACCESS),
    ("master_key", _KEYS), ("custom_auth", _KEYS), ("salt_key", _KEYS),
    ("database", _DATABASE), ("store_model", _DATABASE), ("redis", _DATABASE), ("cache", _DATABASE),
    ("aws_", _CREDENTIALS), ("vertex_", _CREDENTIALS), ("azure_", _CREDENTIALS), ("tenant_id", _CREDENTIALS),
    ("client_", _CREDENTIALS), ("watsonx_", _CREDENTIALS), ("s3_", _CREDENTIALS), ("gcs_", _CREDENTIALS),
    ("callback", _LOGS), ("success_callback", _LOGS), ("failure_callback", _LOGS), ("set_verbose", _LOGS),
    ("telemetry", _LOGS), ("alerting", _LOGS), ("json_logs", _LOGS), ("turn_off_message_logging", _LOGS),
    ("temperature", _REQUEST), ("max_tokens", _REQUEST), ("top_", _REQUEST), ("stop", _REQUEST), ("seed", _REQUEST),
    ("extra_body", _REQUEST), ("extra_headers", _REQUEST), ("headers", _REQUEST), ("frequency_", _REQUEST),
    ("presence_", _REQUEST), ("drop_params", _REQUEST), ("additional_drop", _REQUEST), ("organization", _REQUEST),
    ("routing_strategy", "Targets share the load by `weight`; nothing here measures engines to choose among them."),
    ("max_input_tokens", "Give the target its `context`, a whole number of tokens."),
    ("id", "Targets are named by backend and model; nothing needs an id."),
)  # fmt: skip

_SECTIONS = {
    "guardrails": "Write its rules anew under a tenant's `guardrails`; docs/guardrails.md says which there are.",
    "mcp_servers": "Passerelle does not serve tools; let callers connect to them.",
    "vector_store_registry": "Passerelle does not pass vector stores on.",
    "include": "Import the files that it names too; one file is read at a time.",
}

_SECRET = ("key", "secret", "token", "password", "credential", "database_url", "auth")


def tell_leftovers(data: Mapping[str, Any], taken: Collection[Path], notes: Notes) -> None:
    """Note everything that was not taken over. A key without a value says nothing and is not told."""
    for section, value in data.items():
        if section == "model_list" and isinstance(value, list):
            for index, entry in enumerate(value):
                _entry(entry, (section, index), taken, notes=notes)
        elif section == "credential_list" and isinstance(value, list):
            for index, given in enumerate(value):
                _credentials(given, (section, index), taken, notes=notes)
        elif section == "environment_variables" and isinstance(value, dict):
            for name in value:
                cure = f"Set {name} in Passerelle's environment if it is still needed."
                _tell((section, name), value[name], cure, taken=taken, notes=notes)
        elif section.endswith("_settings") and isinstance(value, dict):
            _fields(value, (section,), taken, notes=notes)
        else:
            _tell((section,), value, _SECTIONS.get(section, _OTHER), taken=taken, notes=notes)


def _entry(entry: Any, path: Path, taken: Collection[Path], *, notes: Notes) -> None:
    if path in taken or not isinstance(entry, dict):  # the whole entry was told
        return
    for name, value in entry.items():
        if name in ("litellm_params", "model_info") and isinstance(value, dict):
            _fields(value, (*path, name), taken, notes=notes)
        elif name not in ("litellm_params", "model_name"):
            _tell((*path, name), value, _cure(name), taken=taken, notes=notes)


def _credentials(given: Any, path: Path, taken: Collection[Path], *, notes: Notes) -> None:
    """Credentials that entries share by name; those that no entry names are told as one."""
    if (*path, "credential_name") not in taken or not isinstance(given, dict):
        _tell(path, given, "No entry that was taken over names them.", taken=taken, notes=notes)
        return
    values = given.get("credential_values")
    if isinstance(values, dict):
        _fields(values, (*path, "credential_values"), taken, notes=notes)
    _tell((*path, "credential_info"), given.get("credential_info"), _OTHER, taken=taken, notes=notes)


def _fields(fields: Mapping[str, Any], path: Path, taken: Collection[Path], *, notes: Notes) -> None:
    for name, value in fields.items():
        _tell((*path, name), value, _cure(name), taken=taken, notes=notes)


def _tell(path: Path, value: Any, cure: str, *, taken: Collection[Path], notes: Notes) -> None:
    if path in taken or value is None:
        return
    name = ".".join(str(part) for part in path)
    clear = isinstance(value, str) and not value.startswith("os.environ/")
    if clear and any(word in str(path[-1]).lower() for word in _SECRET):
        cure = f"{cure} It may be a secret in the clear: change it if others could read this file."
    notes.add("warning", "L01", path, f"`{name}` is not taken over.", cure)


def _cure(name: str) -> str:
    return next(
        (cure for word, cure in _CURES if name.startswith(word) or (word[0] == "_" and word in name)), _OTHER
    )
