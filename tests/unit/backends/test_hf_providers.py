"""What we say about Hugging Face's providers is what its own library says."""

import inspect
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.inference import _providers as hub
from pydantic import ValidationError

from passerelle.backends.hf_providers import COMPLETE, ROUTER, HfProvidersOptions
from passerelle.backends.provider_parties import ADDRESSES, PARTIES
from passerelle.backends.provider_routes import TASKS, way
from passerelle.domain.ask import Route
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.provider_mappings import Serving


def test_the_providers_are_those_of_the_installed_huggingface_hub() -> None:
    """When this fails, the library was upgraded: compare what changed and move our list along.

    `openai` is known to the library, which refuses it with a token of Hugging Face.
    """
    assert set(hub.PROVIDERS) - {"openai"} == set(PARTIES)


def test_the_providers_of_the_legacy_text_route_are_those_of_the_installed_huggingface_hub() -> None:
    """Those whose helper speaks OpenAI's shape; hf-inference's pipeline does not."""
    speaking = {name for name, tasks in hub.PROVIDERS.items() if "text-generation" in tasks}

    assert speaking - {"hf-inference"} == COMPLETE


def test_every_task_we_ask_for_is_one_the_library_knows() -> None:
    known = {task for tasks in hub.PROVIDERS.values() for task in tasks}

    assert set(TASKS.values()) <= known


def test_the_private_steps_of_the_library_that_we_take_are_still_there() -> None:
    """`_prepare_url`, `_prepare_headers` and `_prepare_payload_as_dict`: with these names and arguments.

    When this fails, the library was upgraded: see what became of them and change `provider_routes` alone.
    """
    helper = hub.get_provider_helper("scaleway", "conversational", "org/model")

    assert list(inspect.signature(helper._prepare_url).parameters) == ["api_key", "mapped_model"]
    assert list(inspect.signature(helper._prepare_headers).parameters) == ["headers", "api_key"]
    assert list(inspect.signature(helper._prepare_payload_as_dict).parameters) == [
        "inputs",
        "parameters",
        "provider_mapping_info",
    ]


def test_the_control_plane_is_asked_by_methods_the_library_still_has() -> None:
    wanted = {
        "get_inference_endpoint": {"name", "namespace", "token"},
        "resume_inference_endpoint": {"name", "namespace", "token"},
        "list_inference_endpoints_hardware": {"namespace", "token"},
        "model_info": {"repo_id", "expand"},
    }
    for method, arguments in wanted.items():
        assert arguments <= set(inspect.signature(getattr(HfApi, method)).parameters), method
    assert constants.INFERENCE_ENDPOINTS_ENDPOINT.endswith("/v2")
    # What the Hub answers is kept for ever by the library itself, so our own way must go around it.
    assert "_fetch_inference_provider_mapping" not in Path(inspect.getfile(way)).read_text("utf-8")


def test_the_routers_address_is_the_one_the_installed_huggingface_hub_uses() -> None:
    helper = hub.get_provider_helper("auto", task="conversational", model="org/model")

    prepared = helper.prepare_request(inputs=[], parameters={}, headers={}, model="org/model", api_key="hf_x")

    assert prepared.url == f"{ROUTER}/chat/completions"


def test_pools_may_connect_where_the_library_asks_each_provider() -> None:
    for provider, tasks in hub.PROVIDERS.items():
        if provider in ADDRESSES:
            known = {f"{urlsplit(helper.base_url).hostname}:443" for helper in tasks.values()}
            assert known <= set(ADDRESSES[provider]), provider
    assert ADDRESSES.keys() == PARTIES.keys() - {"hf-inference"}


# What the library itself makes of each: read off it, so that an upgrade that changes an address is seen.
_ADDRESSES = [
    ("groq", "conversational", "key", "https://api.groq.com/openai/v1/chat/completions"),
    ("groq", "conversational", "hf_x", "https://router.huggingface.co/groq/openai/v1/chat/completions"),
    ("scaleway", "conversational", "key", "https://api.scaleway.ai/v1/chat/completions"),
    ("scaleway", "feature-extraction", "key", "https://api.scaleway.ai/v1/embeddings"),
    ("scaleway", "feature-extraction", "hf_x", "https://router.huggingface.co/scaleway/v1/embeddings"),
    ("novita", "text-generation", "key", "https://api.novita.ai/v3/openai/completions"),
    (
        "hf-inference",
        "feature-extraction",
        "hf_x",
        "https://router.huggingface.co/hf-inference/models/m/pipeline/feature-extraction",
    ),
    ("hf-inference", "text-classification", "hf_x", "https://router.huggingface.co/hf-inference/models/m"),
]


@pytest.mark.parametrize(("provider", "task", "key", "url"), _ADDRESSES)
def test_a_provider_is_asked_where_its_key_leads(provider: str, task: str, key: str, url: str) -> None:
    serving = Serving(provider, "m", task, live=True)

    found = way(serving, model="org/model", key=key, base=None)

    assert found.url == url
    assert found.headers["authorization"] == f"Bearer {key}"
    assert not {"user-agent", "content-type"} & found.headers.keys()
    moved = way(serving, model="org/model", key=key, base="http://proxy:81/v1").url
    assert moved.startswith("http://proxy:81/")


def test_a_provider_that_the_library_does_not_know_is_a_model_nobody_serves() -> None:
    with pytest.raises(UpstreamFailed) as failed:
        way(Serving("brand-new", "m", "conversational", live=True), model="org/model", key="hf_x", base=None)

    assert failed.value.fault is Fault.MODEL


def test_a_chat_body_is_written_as_the_librarys_own_client_writes_it() -> None:
    messages = [{"role": "user", "content": "Bonjour", "name": None}]
    parameters = {
        "temperature": 0.2,
        "seed": None,
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }
    serving = Serving("together", "together/qwen", TASKS[Route.CHAT], live=True)

    body = way(serving, model="org/model", key="key", base=None).body(messages, parameters)

    assert body == {
        "model": "together/qwen",
        "messages": [{"role": "user", "content": "Bonjour"}],
        "temperature": 0.2,
        "tools": parameters["tools"],
    }
    assert next(iter(body)) == "model"


@pytest.mark.parametrize("provider", ["auto", "fastest", "cheapest", "preferred", "scaleway"])
def test_policies_and_providers_may_be_named(provider: str) -> None:
    assert HfProvidersOptions(kind="hf-providers", token="env:T", provider=provider).provider == provider


def test_a_provider_nobody_knows_is_refused() -> None:
    with pytest.raises(ValidationError, match="is not a provider"):
        HfProvidersOptions(kind="hf-providers", token="env:T", provider="nebius")


@pytest.mark.parametrize("provider", ["auto", "cheapest", "hf-inference"])
def test_only_a_provider_by_its_name_is_asked_directly(provider: str) -> None:
    with pytest.raises(ValidationError, match="exists behind the router only"):
        HfProvidersOptions(kind="hf-providers", token="env:T", provider=provider, via="direct")


def test_who_pays_is_the_routers_to_ask() -> None:
    with pytest.raises(ValidationError, match="which only the router reads"):
        HfProvidersOptions(kind="hf-providers", token="env:T", provider="groq", via="direct", bill_to="us")


@pytest.mark.parametrize(
    ("via", "token", "wrong"),
    [
        ("router", "hf_x", False),
        ("router", "scw-x", True),
        ("direct", "hf_x", True),
        ("direct", "scw-x", False),
    ],
)
def test_a_token_that_contradicts_the_way_is_an_error(via: str, token: str, wrong: bool) -> None:
    options = HfProvidersOptions.model_validate(
        {"kind": "hf-providers", "token": "env:T", "provider": "scaleway", "via": via}
    )

    assert (options.contradiction({"token": token}) is not None) == wrong


def test_the_router_is_a_party_beside_the_provider_and_none_of_a_direct_way() -> None:
    given = {"kind": "hf-providers", "token": "env:T", "provider": "scaleway"}
    routed = HfProvidersOptions.model_validate(given)
    direct = HfProvidersOptions.model_validate({**given, "via": "direct"})

    assert [party.location.country for party in routed.parties("hub")] == ["US", "FR"]
    assert [party.location.country for party in direct.parties("hub")] == ["FR"]
    assert direct.parties("hub")[0].trains is False


def test_what_the_file_states_goes_before_what_is_shipped() -> None:
    options = HfProvidersOptions.model_validate(
        {
            "kind": "hf-providers",
            "token": "env:T",
            "provider": "cohere",
            "via": "direct",
            "trains": False,
            "location": {"country": "CA"},
        }
    )

    (party,) = options.parties("hub")
    assert (party.trains, party.retention_days, party.location.country) == (False, 30, "CA")


def test_no_shipped_provider_is_said_to_be_where_nobody_knows() -> None:
    """Only a commitment of the provider itself counts, and there is one."""
    assert {name for name, party in PARTIES.items() if party.location.country} == {"scaleway"}
