"""Changing who answers a tenant is an edit of `providers.yaml`, live, and no request notices."""

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from passerelle.backends.registry import kinds
from passerelle.routing.explain import explain
from passerelle.routing.live import Live
from passerelle.routing.load import Loaded, load
from tests.fakes.endpoint import EndpointFake
from tests.fakes.router import RouterFake
from tests.fakes.tgi import TgiFake
from tests.fakes.vllm import VllmFake
from tests.serving import Served, serving

_ENVIRONMENT = {"HF_TOKEN": "hf_test"}
_MODEL = "Qwen/Qwen2.5-7B-Instruct"
_BODY: dict[str, Any] = {"model": "assistant", "messages": [{"role": "user", "content": "Dis bonjour."}]}


def _load(text: str) -> Loaded:
    options = {name: kind.options for name, kind in kinds(Path("unused")).items()}
    return load(text, kinds=options, environment=_ENVIRONMENT, source="providers.yaml")


class _Seen(NamedTuple):
    """Who answered, as the headers say."""

    request_id: str
    backend: str
    model: str
    provider: str
    country: str


async def _ask(served: Served, http: Any, seen: list[_Seen], stop: asyncio.Event, *, stream: bool) -> None:
    while not stop.is_set():
        async with http.post("/v1/chat/completions", json={**_BODY, "stream": stream}) as reply:
            text = (await reply.read()).decode()
            assert reply.status == 200, text
            assert not stream or text.endswith("data: [DONE]\n\n"), text
            said = [
                reply.headers[f"x-passerelle-{name}"] for name in ("backend", "model", "provider", "country")
            ]
            await served.until(
                lambda: any(r.request_id == reply.headers["x-request-id"] for r in served.records[-50:])
            )
            seen.append(_Seen(reply.headers["x-request-id"], *said))


_BACKENDS = ("gpu", "gpu-vllm", "endpoint", "hub")


def _four_ways(tgi: str, vllm: str, router: str) -> dict[str, Any]:
    return {
        "version": 1,
        "backends": {
            "gpu": {"kind": "tgi", "url": tgi},
            "gpu-vllm": {"kind": "vllm", "url": vllm},
            "endpoint": {
                "kind": "hf-endpoint",
                "endpoint": "formation/qwen-eu",
                "token": "env:HF_TOKEN",
                "location": {"country": "IE"},
            },
            "hub": {
                "kind": "hf-providers",
                "provider": "cheapest",
                "token": "env:HF_TOKEN",
                "url": f"{router}/v1",
            },
        },
        "models": {"assistant": {"targets": [{"backend": name, "model": _MODEL} for name in _BACKENDS]}},
        "tenants": {"acme": {"backends": {"deny": list(_BACKENDS[1:])}}},
    }


async def test_a_tenant_moves_from_tgi_over_an_endpoint_to_providers_under_load_without_a_failed_request(
    tmp_path: Path,
) -> None:
    """And who `explain` says will answer is who the headers and the records say has answered."""
    file = tmp_path / "providers.yaml"
    async with (
        TgiFake() as tgi,
        VllmFake(model=_MODEL) as vllm,
        EndpointFake(VllmFake(model="served")),
        RouterFake() as router,
    ):
        configuration = _four_ways(tgi.url, vllm.url, router.url)
        file.write_text(yaml.safe_dump(configuration, sort_keys=False))
        loaded = _load(file.read_text())
        assert loaded.catalog is not None
        first = {name: value for name, value in configuration.items() if name != "version"}
        async with serving(first, environment=_ENVIRONMENT) as served, served.client() as http:
            await served.scout.look()
            live = Live(file, _load, loaded.catalog)
            live.on_swap.append(served.editions.publish)
            watching = asyncio.ensure_future(live.watch(0.01))
            stop = asyncio.Event()
            seen: list[_Seen] = []
            callers = [
                asyncio.ensure_future(_ask(served, http, seen, stop, stream=index % 2 == 1))
                for index in range(8)
            ]
            for name in _BACKENDS:
                configuration["tenants"]["acme"]["backends"]["deny"] = [b for b in _BACKENDS if b != name]
                file.write_text(yaml.safe_dump(configuration, sort_keys=False))
                await served.until(
                    lambda name=name: [one.backend for one in seen[-20:]] == [name] * 20, within=20
                )
                assert not any(caller.done() for caller in callers)
                _agree(served, seen[-1])
            stop.set()
            await asyncio.gather(*callers)
            watching.cancel()

    assert {one.backend for one in seen} == set(_BACKENDS)
    # Of those that are live and priced, it is the cheapest.
    assert {one.provider for one in seen if one.backend == "hub"} == {"scaleway"}
    assert all(record.outcome == "answered" for record in served.records)
    assert all(len(record.attempts) == 1 for record in served.records)


def _agree(served: Served, seen: _Seen) -> None:
    """Explanation, headers and record name the same target, provider and country."""
    edition = served.editions.current
    explained = explain(edition.catalog, "acme", "assistant", known=edition.known).steps[0]
    attempt = next(record for record in served.records if record.request_id == seen.request_id).attempts[-1]
    assert explained.target.backend == attempt.backend == seen.backend
    assert explained.target.model == attempt.model == seen.model
    assert explained.country == attempt.country == (None if seen.country == "unknown" else seen.country)
    assert attempt.provider == seen.provider
    if explained.target.host is not None:
        assert explained.target.host.name == seen.provider


async def test_a_call_in_flight_finishes_on_the_configuration_it_started_with() -> None:
    from tests.fakes.script import Wait

    go_on = asyncio.Event()
    async with TgiFake("un deux trois") as old, VllmFake(model="m", answer="quatre") as new:
        configuration: dict[str, Any] = {
            "backends": {"engine": {"kind": "tgi", "url": old.url}},
            "models": {"assistant": {"targets": [{"backend": "engine", "model": "tgi"}]}},
            "tenants": {"acme": {}},
        }
        old.script(Wait(go_on, before=2))
        async with serving(configuration) as served, served.client() as http:
            async with http.post("/v1/chat/completions", json={**_BODY, "stream": True}) as streaming:
                await streaming.content.readany()
                configuration["backends"]["engine"] = {"kind": "vllm", "url": new.url}
                configuration["models"]["assistant"]["targets"][0]["model"] = "m"
                served.publish(configuration)
                async with http.post("/v1/chat/completions", json=_BODY) as reply:
                    assert (await reply.json())["choices"][0]["message"]["content"] == "quatre"
                assert old.open == 1
                go_on.set()
                text = (await streaming.read()).decode()
            await old.until(lambda: old.open == 0)

    assert "trois" in text
    assert text.endswith("data: [DONE]\n\n")
