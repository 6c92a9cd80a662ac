"""A file of answers as it is handed in: one file in a form, with what is said of it and of its columns."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import Field, TypeAdapter, ValidationError

from passerelle.domain.errors import BadRequest
from passerelle.domain.survey_data import Role
from passerelle.http.bodies import valid
from passerelle.http.surveys_place import Body
from passerelle.http.texts import PathName, Text
from passerelle.http.uploads import File, Form
from passerelle.pipelines.surveys.desk import NewSurvey

FILE_SIZE = 48 * 1_048_576  # bytes: 100,000 rows of long comments
_MOST_COLUMNS = 300
_FIELDS = ("title", "language", "codebook", "columns", "sheet")

Title = Annotated[Text, Field(max_length=200, examples=["Formations du printemps"])]
ReportLanguage = Literal["fr", "en"]


class ColumnIn(Body):
    """What a column is. `low` and `high` are the ends of a rating's scale; `month_first` is of dates."""

    role: Role
    name: Annotated[Text, Field(min_length=1, max_length=120)] | None = None
    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)
    month_first: bool = False


class _Said(Body):
    title: Title = ""
    language: ReportLanguage = "fr"
    codebook: PathName | None = None
    sheet: Annotated[Text, Field(max_length=200)] = ""


_COLUMNS: TypeAdapter[dict[str, ColumnIn]] = TypeAdapter(
    Annotated[dict[Annotated[Text, Field(max_length=500)], ColumnIn], Field(max_length=_MOST_COLUMNS)]
)
_FILE = {"type": "string", "format": "binary", "description": "CSV, or a workbook as XLSX."}
_SHEET = {"type": "string", "maxLength": 200, "description": "Of a workbook; its first, if unsaid."}


def form_of_columns() -> dict[str, Any]:
    """The OpenAPI of a form with a file that is only looked at."""
    return _openapi({"file": _FILE, "sheet": _SHEET})


def form_of_survey() -> dict[str, Any]:
    """The OpenAPI of a form with a file that is kept."""
    return _openapi(
        {
            "file": _FILE,
            "title": {"type": "string", "maxLength": 200, "description": "The file's name, if unsaid."},
            "language": {"type": "string", "enum": ["fr", "en"], "description": "Of its reports."},
            "codebook": {"type": "string", "description": "By which its comments are read."},
            "columns": {
                "type": "string",
                "description": "A JSON object: what each column is, by its heading. Those that are not named are "
                "ignored; without it, each is what it seems to be (`POST /v1/surveys/columns`).",
                "examples": ['{"Recommandation": {"role": "nps"}, "Vos remarques": {"role": "comment"}}'],
            },
            "sheet": _SHEET,
        }
    )


def looked_at(form: Form) -> tuple[bytes, str]:
    """The file, and the sheet of it. Raises BadRequest and RequestValidationError."""
    fields = _fields(form, ("sheet",))
    return _file(form).content, valid(_Said, fields).sheet


def handed_in(form: Form, *, by: str) -> NewSurvey:
    """A survey to be kept. Raises BadRequest and RequestValidationError."""
    fields = _fields(form, _FIELDS)
    file = _file(form)
    columns = fields.pop("columns", None)
    said = valid(_Said, fields)
    return NewSurvey(
        title=said.title.strip() or file.name.rpartition(".")[0] or file.name or "Survey",
        content=file.content,
        name=file.name,
        columns=None if columns is None else columns_of(columns),
        language=said.language,
        codebook=said.codebook,
        sheet=said.sheet,
        by=by,
    )


def columns_of(said: str) -> dict[str, dict[str, Any]]:
    """What a person says the columns are, by heading. Raises RequestValidationError."""
    try:
        found = _COLUMNS.validate_json(said)
    except ValidationError as error:
        raise RequestValidationError(
            [
                {**each, "loc": ("columns", *each["loc"])}
                for each in error.errors(include_url=False, include_input=False)
            ]
        ) from None
    return {heading: column.model_dump(mode="json", exclude_unset=True) for heading, column in found.items()}


def _fields(form: Form, known: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, values in form.fields.items():
        if name not in known:
            message = f"The form has no field {name[:100]!r}; it takes {', '.join(known)}."
            raise _wrong(message, name[:100])
        if len(values) > 1:
            raise _wrong(f"`{name}` is said once.", name)
        found[name] = values[0]
    return {name: value for name, value in found.items() if value}


def _file(form: Form) -> File:
    if len(form.files) != 1:
        raise _wrong("Send one `file`.", "file")
    if not form.files[0].content:
        raise _wrong("The file is empty.", "file")
    return form.files[0]


def _openapi(properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "required": ["file"], "properties": properties}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def _wrong(message: str, param: str) -> BadRequest:
    return BadRequest(message, code="invalid_value", param=param)
