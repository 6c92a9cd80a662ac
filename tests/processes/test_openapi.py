"""The OpenAPI document tells the truth: whatever is made from it is answered with a documented status and shape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import checks

from tests.e2e.money import KEYS, Shop, configuration, engine, shop

_CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
# Asks the European Central Bank, who is not to be asked by a test.
_NOT_ASKED = {("POST", "/admin/ledger/rates")}
_SETTINGS = settings(
    max_examples=10,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder: Path = tmp_path_factory.mktemp("openapi")
    with engine() as url, shop(folder, configuration(url)) as shop_:
        yield shop_


_AREAS = ("/v1/content", "/v1/surveys", "/v1/rag")


@pytest.mark.parametrize("area", [*_AREAS, ""])
@pytest.mark.parametrize("who", ["member", "tenant-admin", "admin"])
def test_what_the_document_allows_is_answered_as_it_says(running: Shop, who: str, area: str) -> None:
    key = {"member": KEYS["acme"], "tenant-admin": running.chief("acme"), "admin": running.admin}[who]
    schema = schemathesis.openapi.from_url(f"{running.service.url}/openapi.json")
    asked: list[str] = []
    for found in schema.get_all_operations():
        operation = found.ok()
        of = next((each for each in _AREAS if operation.path.startswith(each)), "")
        if of == area and (operation.method.upper(), operation.path) not in _NOT_ASKED:
            asked.append(operation.label)
            _exercise(operation, key)

    assert len(asked) > 12


def _exercise(operation: Any, key: str) -> None:
    """Requests made from one operation's description, each answered as it says."""

    @_SETTINGS
    @given(case=operation.as_strategy())
    def one(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {key}"}, checks=_CHECKS, timeout=30)

    one()
