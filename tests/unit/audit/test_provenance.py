"""Where models come from: what the Hub says, when it was asked, and nothing where it is not asked or does not say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from passerelle.audit.provenance import ProvenanceBook, asked_of, hub_id, served_models
from passerelle.domain.errors import Fault, Unavailable, UpstreamFailed
from passerelle.stores.database import Database
from passerelle.wire.model_cards import ModelCard, ModelCards
from tests.fakes.hub import HubFake
from tests.fakes.script import Plan
from tests.fakes.wire import Received, Reply, json_reply

SHA = "0123456789abcdef0123456789abcdef01234567"
CARDS: dict[str, dict[str, Any]] = {
    "org/tuned": {
        "sha": SHA,
        "author": "org",
        "gated": "manual",
        "cardData": {"license": "apache-2.0", "base_model": "Qwen/Qwen2.5-7B"},
        "tags": ["license:apache-2.0", "base_model:Qwen/Qwen2.5-7B", "base_model:finetune:Qwen/Qwen2.5-7B"],
    },
    "org/quantized": {
        "sha": SHA, "author": "org", "gated": False, "tags": ["license:mit", "base_model:quantized:org/tuned"],
    },
    "org/special": {"sha": SHA, "gated": False, "cardData": {"license": "other", "license_name": "llama3.1"}},
    "org/silent": {},
    "org/strange": {"sha": 7, "tags": [None, 3, "base_model:"], "cardData": {"license": ["a", "b"]}, "gated": None},
}  # fmt: skip


class Hub(HubFake):
    async def reply(self, request: Received, plan: Plan) -> Reply:
        model = request.path.partition("?")[0].removeprefix("/api/models/")
        self.asked_mapping.append(model)
        assert "authorization" not in request.headers
        if model == "org/broken":
            return json_reply({"error": "no"}, 500)
        if model in CARDS:
            return json_reply({"_id": "1", "id": model, **CARDS[model]})
        return self._mapping(model)


@pytest.fixture
async def hub():
    async with Hub() as hub:
        yield hub


async def test_what_a_repository_says_is_read(hub):
    cards = ModelCards()
    assert await cards.of("org/tuned") == ModelCard(
        "org/tuned", SHA, "org", "apache-2.0", ("Qwen/Qwen2.5-7B",), "finetune", gated=True
    )
    assert await cards.of("org/quantized") == ModelCard(
        "org/quantized", SHA, "org", "mit", ("org/tuned",), "quantized", gated=False
    )
    assert (await cards.of("org/special")).licence == "llama3.1"


async def test_what_it_does_not_say_is_not_known(hub):
    cards = ModelCards()
    for model in ("org/silent", "org/strange"):
        card = await cards.of(model)
        assert (card.revision, card.licence, card.base_models, card.relation, card.gated) == (
            None,
            None,
            (),
            None,
            None,
        )
    assert await cards.of("org/none") is None
    assert await cards.of("no id!!") is None
    with pytest.raises(UpstreamFailed, match="500"):
        await cards.of("org/broken")


async def test_what_was_found_is_kept_and_known_to_other_processes(database, hub):
    book = ProvenanceBook(database, ModelCards().of)
    assert book.provenance_of("org/tuned") is None
    wrong = await book.refresh(["org/tuned", "org/tuned:scaleway", "org/none", "org/broken", "local"])
    assert [each.partition(":")[0] for each in wrong] == ["org/broken"]
    found = book.provenance_of("org/tuned:scaleway")
    assert (found.revision, found.licence, found.fine_tuned, found.public) == (SHA, "apache-2.0", True, True)
    assert found.source == "https://huggingface.co/org/tuned"
    assert book.provenance_of("org/none").public is False
    assert book.provenance_of("org/broken") is None
    other = ProvenanceBook(database, ModelCards().of)
    await other.read()
    assert other.known == book.known


async def test_the_hub_is_asked_once_a_day_and_what_is_known_outlives_it(database):
    now = datetime(2026, 11, 22, tzinfo=UTC)
    asked: list[str] = []
    away = False

    async def ask(model: str) -> ModelCard:
        asked.append(model)
        if away:
            raise UpstreamFailed(Fault.CONNECT, "The Hub cannot be reached.")
        return ModelCard(model, SHA, "org", "mit", (), None, gated=False)

    book = ProvenanceBook(database, ask, now=lambda: now)
    await book.refresh(["org/a"])
    await book.refresh(["org/a"])
    assert asked == ["org/a"]
    now += timedelta(days=2)
    away = True
    assert await book.refresh(["org/a"]) == ["org/a: The Hub cannot be reached."]
    known = book.provenance_of("org/a")
    assert (known.licence, known.checked_at) == ("mit", now - timedelta(days=2))
    assert known.fine_tuned is None


def catalog(*kinds: str, off: str | None = None) -> Any:
    backends = {kind: SimpleNamespace(kind=kind, off=off) for kind in kinds}
    targets = [SimpleNamespace(backend=kind, model=f"org/{kind}") for kind in kinds]
    return SimpleNamespace(backends=backends, models={"m": SimpleNamespace(targets=targets)})


def test_the_hub_is_not_asked_unbidden_where_nothing_of_hugging_face_s_is_used():
    assert asked_of(catalog("vllm", "tei", "openai", "builtin")) == []
    assert served_models(catalog("vllm", "tei", "openai", "builtin")) == ["org/tei", "org/vllm"]
    assert asked_of(catalog("vllm", "hf-providers")) == ["org/hf-providers", "org/vllm"]
    assert asked_of(catalog("vllm", "hf-providers", off="no token")) == []


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("org/a", "org/a"),
        ("org/a:fastest", "org/a"),
        ("gpt", None),
        ("a/b/c", None),
        ("/a", None),
        ("é/a", None),
        ("", None),
    ],
)
def test_ids_of_the_hub(model, found):
    assert hub_id(model) == found


async def test_an_outage_is_told():
    away = Database("postgresql://nobody@127.0.0.1:1/none")
    try:
        with pytest.raises(Unavailable):
            await ProvenanceBook(away, ModelCards().of).read()
    finally:
        await away.aclose()
