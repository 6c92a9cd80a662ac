"""The Hub's billing interface: what an organisation has used, by resource group.

The document's shape is not published in a form we could copy; this one is plausible, and tests give others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

from tests.fakes.engine import Engine
from tests.fakes.script import Plan
from tests.fakes.wire import Received, Reply, json_reply

USAGE: Mapping[str, Any] = {
    "usage": [
        {
            "resourceGroup": {"id": "65f0a1", "name": "client-a"},
            "inference-providers": [
                {"model": "Qwen/Qwen2.5-7B-Instruct", "costNanoUsd": 1_200_000_000},
                {"model": "openai/gpt-oss-120b", "costNanoUsd": 300_000_001},
            ],
            "inference-endpoints": {"costCents": 1920},
        },
        {"resourceGroup": None, "inference-providers": [{"model": "openai/gpt-oss-20b", "costNanoUsd": 5}]},
    ]
}


class HubBillingFake(Engine):
    """One organisation, `formation`, whose token is `hf_billing`; `hf_other` may not read its billing."""

    routes: ClassVar[Mapping[tuple[str, str], str]] = {
        ("GET", "/api/organizations/formation/billing/usage-by-resource-group"): "usage"
    }

    def __init__(self, document: Any = USAGE) -> None:
        super().__init__()
        self.document = document
        self.periods: list[tuple[str, str]] = []  # that were asked for

    def usage(self, request: Received, plan: Plan) -> Reply:
        """GET: a whole answer, or the Hub's refusal of the token."""
        if request.bearer != "hf_billing":
            known = request.bearer == "hf_other"
            return json_reply({"error": "Forbidden" if known else "Invalid token"}, 403 if known else 401)
        asked = parse_qs(urlsplit(request.target).query)
        self.periods.append((asked["startDate"][0], asked["endDate"][0]))
        return json_reply(self.document)

    @override
    def no_route(self, request: Received) -> Reply:
        return json_reply({"error": "Not found"}, 404)
