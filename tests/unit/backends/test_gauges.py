"""An engine's two gauges are both read as they stand on the wire, or nothing is known of its queue."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.backends import hf_endpoint, openai, tgi, vllm
from passerelle.backends.gauges import TGI, VLLM, Gauges, read
from passerelle.backends.hf_endpoint import HfEndpointOptions
from passerelle.backends.tgi import TgiOptions
from passerelle.backends.vllm import VllmOptions
from passerelle.domain.catalog import BackendSpec
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.domain.facts import Load
from tests.fakes.endpoint import EndpointFake
from tests.fakes.openai_like import OLLAMA, OpenAiLike
from tests.fakes.tgi import TgiFake
from tests.fakes.vllm import VllmFake

_VLLM = """\
# HELP python_gc_objects_collected_total Objects collected during gc
# TYPE python_gc_objects_collected_total counter
python_gc_objects_collected_total{generation="0"} 11204.0
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="Qwen/Qwen2.5-7B-Instruct"} 8.0
vllm:num_requests_running{engine="1",model_name="Qwen/Qwen2.5-7B-Instruct"} 7.0
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="Qwen/Qwen2.5-7B-Instruct"} 3.0
vllm:num_requests_waiting{engine="1",model_name="Qwen/Qwen2.5-7B-Instruct"} 0.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 99.0
vllm:kv_cache_usage_perc{engine="0",model_name="Qwen/Qwen2.5-7B-Instruct"} 0.42
"""
_TGI = """\
# TYPE tgi_queue_size gauge
tgi_queue_size 5

# TYPE tgi_batch_current_size gauge
tgi_batch_current_size 32
# TYPE tgi_queue_size_other gauge
tgi_queue_size_other 77
"""


def test_vllm_with_several_engines_is_the_sum_of_them() -> None:
    assert read(_VLLM.encode(), VLLM) == Load(running=15, waiting=3)


def test_tgi_has_no_labels() -> None:
    assert read(_TGI.encode(), TGI) == Load(running=32, waiting=5)


@pytest.mark.parametrize(
    "line",
    [
        "tgi_queue_size 5",
        "tgi_queue_size 5.0",
        "tgi_queue_size 5e0",
        "tgi_queue_size\t5\r",
        "tgi_queue_size 5 1764547200000",
        "tgi_queue_size{} 5",
        'tgi_queue_size{model_name="a}b{\\"c\\\\", engine="0",} 5',
        '  tgi_queue_size {model_name="été, tgi_queue_size 9"} 5'.replace("size {", "size{"),
    ],
)
def test_a_sample_is_read_in_every_form_the_format_has(line: str) -> None:
    assert read(f"{line}\ntgi_batch_current_size 1\n".encode(), TGI) == Load(1, 5)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "# tgi_queue_size 5",
        "tgi_queue_size",
        "tgi_queue_size ",
        "tgi_queue_size NaN",
        "tgi_queue_size +Inf",
        "tgi_queue_size -1",
        "tgi_queue_size 1.5",
        "tgi_queue_size 1_0",
        "tgi_queue_size 1e300",
        "tgi_queue_size five",
        "tgi_queue_size 5 6 7",
        'tgi_queue_size{model="a" 5',
        'tgi_queue_size{model="a} 5',
        "tgi_queue_size 5\ntgi_queue_size 6",
        'tgi_queue_size{engine="0"} 5\ntgi_queue_size{engine="1"} NaN',
        'other{name="\ntgi_queue_sized 5"} 1',
    ],
)
def test_what_is_missing_or_not_a_number_of_requests_is_not_known(line: str) -> None:
    assert read(f"{line}\ntgi_batch_current_size 1\n".encode(), TGI) is None


def test_one_gauge_without_the_other_is_nothing() -> None:
    assert read(b"vllm:num_requests_waiting 0\n", VLLM) is None
    assert read(b"vllm:num_requests_running 4\n", VLLM) is None


def test_a_page_that_is_not_metrics_says_nothing() -> None:
    assert read(b"<html>tgi_queue_size 0 tgi_batch_current_size 0</html>", TGI) is None
    assert read(b"", TGI) is None
    assert read(b"tgi_queue_size 0\ntgi_batch_current_size 0\n" + b"#" * 9_000_000, TGI) is None


@given(
    st.binary(max_size=200) | st.text(alphabet='tgi_queue_size{}"\\= 0159.\n', max_size=200).map(str.encode)
)
def test_no_bytes_break_it(noise: bytes) -> None:
    for gauges in (TGI, VLLM):
        load = read(noise, gauges)
        assert load is None or (load.running >= 0 and load.waiting >= 0)


@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=8), st.text(max_size=30))
def test_any_model_name_and_number_of_engines_is_read(waiting: list[int], model: str) -> None:
    name = model.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    lines = [
        f'{gauge}{{engine="{engine}",model_name="{name}"}} {float(number)}'
        for gauge in (VLLM.running, VLLM.waiting)
        for engine, number in enumerate(waiting)
    ]
    assert read(("\n".join(lines) + "\n").encode(), VLLM) == Load(sum(waiting), sum(waiting))


async def test_the_kinds_ask_their_engines_on_the_wire() -> None:
    async with VllmFake() as engine:
        engine.queue = 6
        backend = vllm.open_backend(BackendSpec("v", "vllm", VllmOptions(kind="vllm", url=engine.url)))
        assert await backend.load() == Load(0, 6)
        await backend.aclose()
    async with TgiFake() as engine:
        container = tgi.open_backend(BackendSpec("t", "tgi", TgiOptions(kind="tgi", url=engine.url)))
        assert await container.load() == Load(0, 0)
        await container.aclose()
    async with OpenAiLike(OLLAMA) as engine:
        options = openai.OpenAIOptions(kind="openai", url=engine.url)
        server = openai.open_backend(BackendSpec("o", "openai", options))
        assert await server.load() is None, "no gauges are known of it"
        await server.aclose()
        lost = vllm.open_backend(BackendSpec("v", "vllm", VllmOptions(kind="vllm", url=engine.url)))
        with pytest.raises(UpstreamFailed):
            await lost.load()
        await lost.aclose()


async def test_metrics_without_the_gauges_are_a_failure_and_not_an_idle_engine() -> None:
    async with VllmFake() as engine:
        engine.queue = None
        backend = vllm.open_backend(BackendSpec("v", "vllm", VllmOptions(kind="vllm", url=engine.url)))
        with pytest.raises(UpstreamFailed) as failed:
            await backend.load()
        assert failed.value.fault is Fault.BROKEN
        await backend.aclose()


@pytest.mark.parametrize(
    ("fleet", "told"),
    [
        ({"min_replica": 1, "max_replica": 1}, Load(0, 6)),
        ({"min_replica": 1, "max_replica": 2}, None),  # a balancer answers for any one of them
        ({"min_replica": 0, "max_replica": 1}, None),  # it would never fall asleep
        ({"min_replica": 1, "max_replica": 1, "state": "paused"}, None),
    ],
)
async def test_an_endpoint_is_asked_only_where_it_is_one_engine_that_never_sleeps(
    fleet: dict[str, Any], told: Load | None
) -> None:
    engine = VllmFake()
    engine.queue = 6
    async with EndpointFake(engine, **fleet) as endpoint:
        options = HfEndpointOptions(kind="hf-endpoint", endpoint="formation/qwen-eu", token="env:HF_TOKEN")
        spec = BackendSpec("e", "hf-endpoint", options, secrets={"token": "hf_test"})
        backend = hf_endpoint.open_backend(spec)
        assert await backend.load() == told
        asked = [request for request in endpoint.requests if "/v2/" not in request.path]
        assert len(asked) == (told is not None)
        await backend.aclose()


def test_the_names_are_those_of_the_engines() -> None:
    assert Gauges("vllm:num_requests_running", "vllm:num_requests_waiting") == VLLM
    assert Gauges("tgi_batch_current_size", "tgi_queue_size") == TGI
