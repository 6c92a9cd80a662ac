"""The environment as frozen settings; the only reader of it besides the secrets that `providers.yaml` names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from passerelle.domain.errors import CannotRun


class Settings(BaseSettings):
    """Everything that is set outside `providers.yaml`. Names are `PASSERELLE_…` unless the field says otherwise."""

    model_config = SettingsConfigDict(
        env_prefix="PASSERELLE_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    config: Path = Path("providers.yaml")
    data: Path = Path("data")
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535, description="0 takes a free one and prints it.")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "text"] = "auto"
    max_body: int = Field(default=20 * 1_048_576, ge=1024, description="Longest request body, in bytes.")
    drain_seconds: int = Field(default=30, ge=0, description="How long streams may go on after SIGTERM.")
    notice_seconds: float = Field(
        default=1.0,
        ge=0,
        description="How long new requests are answered after SIGTERM at least, until balancers have noticed.",
    )
    workers: int = Field(default=1, ge=1, le=64, description="Processes that share the port.")
    worker: int | None = Field(
        default=None, ge=0, description="Which of them this process is; told by their parent."
    )
    job_concurrency: int = Field(
        default=8, ge=0, le=256, description="Items of jobs at once; 0 leaves them to `passerelle worker`."
    )
    key_refresh_seconds: float = Field(
        default=3.0, gt=0, description="How soon a key made elsewhere is known here."
    )
    survey_seconds: float = Field(
        default=300.0, gt=0, description="How often backends are asked about themselves."
    )
    ledger_sync_seconds: float = Field(
        default=0.05,
        ge=0,
        le=60,
        description="How much of the ledger a loss of power may cost; 0 waits for the disk twice a call.",
    )
    database_url: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("DATABASE_URL", "PASSERELLE_DATABASE_URL")
    )
    redis_url: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("REDIS_URL", "PASSERELLE_REDIS_URL")
    )
    qdrant_url: str | None = Field(
        default=None, validation_alias=AliasChoices("QDRANT_URL", "PASSERELLE_QDRANT_URL")
    )
    qdrant_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("QDRANT_API_KEY", "PASSERELLE_QDRANT_API_KEY")
    )
    pepper: SecretStr | None = Field(
        default=None,
        description="64 hexadecimal digits that keys are hashed with, the same on every machine.",
    )
    pepper_file: Path | None = Field(
        default=None, description="A file with the pepper, as 32 bytes or 64 hexadecimal digits."
    )
    key_encryption_key: SecretStr | None = Field(
        default=None,
        description="64 hexadecimal digits that tenants' data keys are wrapped with, the same on every machine.",
    )
    key_encryption_key_file: Path | None = Field(
        default=None, description="A file with that key, as 32 bytes or 64 hexadecimal digits."
    )
    api_keys: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("API_KEYS", "PASSERELLE_API_KEYS")
    )


def silence() -> None:
    """Tell libraries to tell their makers nothing; to be called before they are imported.

    onnxruntime makes a number for the machine in the user's home, and holds the address of its maker's telemetry, unless
    this stands in the environment when it starts; huggingface_hub asks the Hub what kind of shell it is run from.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def read_settings(**given: object) -> Settings:
    """Settings from the environment, with what the command line gave on top. Raises CannotRun."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise CannotRun(
            f"The setting {name} is wrong: {first['msg']}.", f"Set PASSERELLE_{name.upper()} or --{name}."
        ) from error
