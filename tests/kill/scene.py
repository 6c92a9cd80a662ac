"""A service, two engines, two tenants and their clients, as every test that kills begins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random

import orjson

from passerelle.domain.money import pico
from tests.kill.audit import PRICES
from tests.kill.engine import Witness, WitnessedEngine
from tests.kill.traffic import Traffic
from tests.kill.victim import Victim, until

KEYS = {"acme": "kq7Rz2mVw9Tn4Xb8Ls6Pd3Hf", "libre": "Yc5Gj8Wd2Qv7Nt4Zr9Bx6Mk3"}
WORKERS = 8


@dataclass
class Scene:
    """A service, the engines behind it, and its clients."""

    victim: Victim
    traffic: Traffic
    witness: Witness
    engines: tuple[WitnessedEngine, ...]

    @property
    def quiet(self) -> bool:
        """Nobody asks and no engine works."""
        return not self.traffic.asking and not any(engine.live for engine in self.engines)


def _configuration(urls: dict[str, str]) -> bytes:
    def cost(name: str) -> dict[str, object]:
        prices = {f"{meter}_per_million": each / 1_000_000 for meter, each in PRICES[name].items()}
        return {**prices, "currency": "EUR"}

    backends = {name: {"kind": "openai", "url": url, "cost": cost(name)} for name, url in urls.items()}
    backends["steady"]["timeouts"] = {"after_hangup": "2s"}
    targets = [
        {"backend": name, "model": "qwen2.5-7b-instruct", "rank": rank} for rank, name in enumerate(urls)
    ]
    tenants = {"acme": {"budget": {"amount": 1000, "keys": {"env_1": {"amount": 900}}}}, "libre": {}}
    return orjson.dumps(
        {
            "version": 1,
            "operator": {"name": "Essai", "country": "FR", "currency": "EUR"},
            "backends": backends,
            "models": {"assistant": {"targets": targets}},
            "tenants": tenants,
        }
    )


@asynccontextmanager
async def open_scene(folder: Path, seed: int, **extra: str) -> AsyncIterator[Scene]:
    chance = Random(seed)
    async with AsyncExitStack() as stack:
        witness = Witness(folder / "witness.jsonl")
        stack.callback(witness.close)
        shaky = WitnessedEngine("shaky", witness, Random(chance.random()), fails=0.2)
        steady = WitnessedEngine("steady", witness, Random(chance.random()))
        for engine in (shaky, steady):
            await stack.enter_async_context(engine)
        config = folder / "providers.yaml"
        config.write_bytes(_configuration({engine.name: engine.url for engine in (shaky, steady)}))
        keys = ",".join(f"{tenant}:{key}" for tenant, key in KEYS.items())
        victim = Victim(config, folder / "d", extra={"API_KEYS": keys, **extra})
        stack.push_async_callback(victim.aclose)
        traffic = Traffic(KEYS, chance, workers=WORKERS)
        yield Scene(victim, traffic, witness, (shaky, steady))


async def budget(victim: Victim) -> tuple[int, int]:
    """What acme has spent and what is set aside for it, in pico-units; the same under all of its ceilings."""
    said = await victim.ask("/v1/budget", KEYS["acme"])
    (spent, pending), *others = {(c["spent"], c["pending"]) for c in said["ceilings"]}
    assert not others, said
    return pico(Decimal(spent)), pico(Decimal(pending))


async def settled(victim: Victim) -> int:
    """What acme has spent once nothing is set aside for it."""
    deadline = asyncio.get_running_loop().time() + 15
    while (found := await budget(victim))[1]:
        assert asyncio.get_running_loop().time() < deadline, "money stays set aside"
        await asyncio.sleep(0.05)
    return found[0]


async def go_on_without_database(scene: Scene) -> None:
    """Requests are answered as ever, and what they cost is kept."""
    victim, traffic = scene.victim, scene.traffic
    await victim.hold_down()
    before, answered = victim.spooled(), traffic.answered
    await until(lambda: traffic.answered >= answered + 5, "inference goes on without PostgreSQL")
    await until(lambda: victim.spooled() > before, "the spool grows")


async def some(traffic: Traffic, count: int) -> None:
    """So many more answers."""
    answered = traffic.answered
    await until(lambda: traffic.answered >= answered + count, f"{count} more answers")


async def end_under_load(traffic: Traffic, victim: Victim) -> int:
    """SIGTERM while clients ask; its exit status."""
    ending = asyncio.create_task(victim.end())
    await asyncio.sleep(0)  # the signal is sent by a thread
    traffic.at(None)
    return await ending
