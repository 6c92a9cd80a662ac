"""Changing who answers a tenant is an edit of `providers.yaml`, live, and no request notices."""

import asyncio
from pathlib import Path
from typing import Any

import yaml

from passerelle.backends.registry import kinds
from passerelle.routing.live import Live
from passerelle.routing.load import Loaded, load
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


async def _ask(
    served: Served, http: Any, seen: list[tuple[str, str]], stop: asyncio.Event, *, stream: bool
) -> None:
    while not stop.is_set():
        async with http.post("/v1/chat/completions", json={**_BODY, "stream": stream}) as reply:
            text = (await reply.read()).decode()
            assert reply.status == 200, text
            assert not stream or text.endswith("data: [DONE]\n\n"), text
            seen.append((reply.headers["x-passerelle-backend"], reply.headers["x-passerelle-provider"]))


async def test_a_tenant_moves_from_tgi_to_vllm_to_auto_under_load_without_a_failed_request(
    tmp_path: Path,
) -> None:
    file = tmp_path / "providers.yaml"
    async with TgiFake() as tgi, VllmFake(model=_MODEL) as vllm, RouterFake() as router:
        configuration: dict[str, Any] = {
            "version": 1,
            "backends": {
                "gpu": {"kind": "tgi", "url": tgi.url},
                "gpu-vllm": {"kind": "vllm", "url": vllm.url},
                "hub": {"kind": "hf-providers", "token": "env:HF_TOKEN", "url": f"{router.url}/v1"},
            },
            "models": {
                "assistant": {
                    "targets": [{"backend": name, "model": _MODEL} for name in ("gpu", "gpu-vllm", "hub")]
                }
            },
            "tenants": {"acme": {"backends": {"deny": ["gpu-vllm", "hub"]}}},
        }
        file.write_text(yaml.safe_dump(configuration, sort_keys=False))
        loaded = _load(file.read_text())
        assert loaded.catalog is not None
        first = {name: value for name, value in configuration.items() if name != "version"}
        async with serving(first, environment=_ENVIRONMENT) as served, served.client() as http:
            live = Live(file, _load, loaded.catalog)
            live.on_swap.append(served.editions.publish)
            watching = asyncio.ensure_future(live.watch(0.01))
            stop = asyncio.Event()
            seen: list[tuple[str, str]] = []
            callers = [
                asyncio.ensure_future(_ask(served, http, seen, stop, stream=index % 2 == 1))
                for index in range(8)
            ]
            for denied, backend in (
                (["gpu-vllm", "hub"], "gpu"),
                (["gpu", "hub"], "gpu-vllm"),
                (["gpu", "gpu-vllm"], "hub"),
            ):
                configuration["tenants"]["acme"]["backends"]["deny"] = denied
                file.write_text(yaml.safe_dump(configuration, sort_keys=False))
                await served.until(
                    lambda backend=backend: [b for b, _ in seen[-20:]] == [backend] * 20, within=20
                )
                assert not any(caller.done() for caller in callers)
            stop.set()
            await asyncio.gather(*callers)
            watching.cancel()

    backends = [backend for backend, _ in seen]
    assert set(backends) == {"gpu", "gpu-vllm", "hub"}
    assert {provider for backend, provider in seen if backend == "hub"} <= {
        "together",
        "scaleway",
        "featherless-ai",
    }
    assert all(record.outcome == "answered" for record in served.records)
    assert all(len(record.attempts) == 1 for record in served.records)


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
