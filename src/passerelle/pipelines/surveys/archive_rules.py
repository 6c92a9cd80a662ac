"""A tenant's rules for surveys, and what is said of a survey, judged before anything of it is kept."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Mapping
from typing import Any

from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import BadRequest, Forbidden, TooLarge
from passerelle.domain.survey_data import Columns
from passerelle.domain.survey_work import SurveyRules
from passerelle.pipelines.surveys.archive_rows import columns_json
from passerelle.pipelines.surveys.importing import Opened, Rules
from passerelle.pipelines.surveys.importing_cells import cleaned
from passerelle.pipelines.surveys.importing_columns import check, chosen, proposed

LONGEST_TITLE = 200
LONGEST_NAME = 200
LANGUAGES = ("fr", "en")  # of reports
_SIZE = Rules().document.size


def rules_of(tenant: Tenant) -> SurveyRules:
    """The tenant's rules. Raises Forbidden where it has no surveys here."""
    if tenant.surveys is None:
        raise Forbidden("Surveys are switched off for this tenant.", code="surveys_off")
    return tenant.surveys


def reading_rules(secret: bytes, tenant: Tenant, sheet: str = "") -> Rules:
    """How its answers are read: with ids that nobody can work out from a row, who has not the secret."""
    rules = rules_of(tenant)
    key = hmac.digest(secret, b"survey-answers\0" + tenant.name.encode(), "sha256")
    return Rules(rows=rules.rows, languages=rules.languages, key=key, sheet=sheet)


def must_fit(content: bytes) -> None:
    """Raises TooLarge, and BadRequest for nothing at all."""
    if not content:
        raise BadRequest(
            "The file is empty. Send one with answers in it.", code="document_empty", param="file"
        )
    if len(content) > _SIZE:
        message = f"The file is larger than {_SIZE} bytes. Send it in parts."
        raise TooLarge(message, code="document_too_large", param="file")


def title_of(title: str) -> str:
    """A title that can be kept. Raises BadRequest."""
    title = " ".join(cleaned(title)[0].split())
    if not 1 <= len(title) <= LONGEST_TITLE:
        message = f"A survey's title has 1 to {LONGEST_TITLE} characters."
        raise BadRequest(message, code="survey_title", param="title")
    return title


def language_of(language: str) -> str:
    """A language of reports. Raises BadRequest."""
    if language not in LANGUAGES:
        message = f"Reports are written in {' or '.join(LANGUAGES)}."
        raise BadRequest(message, code="survey_language", param="language")
    return language


def name_of(name: str) -> str:
    """The name of a file, as far as it can be kept."""
    return " ".join(cleaned(name)[0].split())[:LONGEST_NAME]


def columns_of(opened: Opened, said: Mapping[str, Mapping[str, Any]] | None) -> Columns:
    """What every column is: as somebody says, else as it seems. Raises BadRequest `survey_columns_wrong`."""
    if not said:
        columns = proposed(opened.proposals, opened.header)
        check(columns)
        return columns
    try:
        columns = chosen(opened.header, said)
    except (TypeError, ValueError, AttributeError, OverflowError):
        raise _wrong(
            "What a column is, is said by `role`, `name`, `low`, `high` and `month_first`."
        ) from None
    for column in columns.columns:
        if not (math.isfinite(column.low) and math.isfinite(column.high)):
            raise _wrong(f"The scale of column {column.name[:120]!r} has no ends. Give it two numbers.")
        if cleaned(column.name)[0] != column.name or not column.name:
            raise _wrong("The name of a column has characters that nobody can read. Choose another.")
    return columns


def digest_of(content: bytes, columns: Columns, sheet: str) -> bytes:
    """Of a file and of what its columns are."""
    digest = hashlib.sha256(hashlib.sha256(content).digest())
    digest.update(columns_json(columns).encode())
    digest.update(b"\0" + sheet.encode("utf-8", "replace"))
    return digest.digest()


def _wrong(message: str) -> BadRequest:
    return BadRequest(message, code="survey_columns_wrong", param="columns")
