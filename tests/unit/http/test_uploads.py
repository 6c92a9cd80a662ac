"""Which requests may bring files, and so a longer body than others."""

from __future__ import annotations

import pytest

from passerelle.http.uploads import is_upload

_FORM = b"multipart/form-data; boundary=x"


def _request(path: str, method: str = "POST", media: bytes | None = _FORM) -> dict[str, object]:
    headers = [] if media is None else [(b"content-type", media)]
    return {"type": "http", "method": method, "path": path, "headers": headers}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/rag/collections/faq/documents",
        "/v1/content/read",
        "/v1/content/estimate",
        "/v1/content/jobs",
        "/v1/surveys",
        "/v1/surveys/columns",
    ],
)
def test_a_form_is_an_upload_where_files_are_taken(path: str) -> None:
    assert is_upload(_request(path))
    assert is_upload(_request(path, media=b"Multipart/Form-Data;boundary=x"))
    assert not is_upload(_request(path, method="PUT"))
    assert not is_upload(_request(path, media=b"application/json"))
    assert not is_upload(_request(path, media=None))


@pytest.mark.parametrize(
    "path",
    [
        "/v1/rag/collections/faq",
        "/v1/rag/collections/faq/documents/doc_1/retry",
        "/v1/content/recipes",
        "/v1/content/jobs/job_1/decisions",
        "/v1/content/jobs/",
        "/v1/surveys/sat",
        "/v1/surveysx",
        "/v1/chat/completions",
    ],
)
def test_a_form_is_none_anywhere_else(path: str) -> None:
    assert not is_upload(_request(path))
