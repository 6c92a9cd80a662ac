"""LiteLLM costs nothing to who does not use it, goes nowhere by itself and tells nobody what it was asked."""

import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[4]

_WITHOUT = """
import asyncio, sys
import passerelle.app, passerelle.cli, passerelle.parts
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.serving import one_backend, serving

async def main():
    async with OpenAiLike(OPENAI) as engine:
        async with serving(one_backend("openai", engine.url, model=engine.model)) as served, served.client() as http:
            body = {"model": "assistant", "messages": [{"role": "user", "content": "x"}]}
            async with http.post("/v1/chat/completions", json=body) as reply:
                assert reply.status == 200, await reply.text()

asyncio.run(main())
print(sorted(name for name in ("litellm", "httpx", "openai", "tiktoken", "boto3") if name in sys.modules))
"""

_IMPORT = """
import os, socket, threading

def refuse(*args, **kwargs):
    print("NETWORK", args)
    raise OSError("no network")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from passerelle.backends.litellm.library import load
library = load()
print(library.module.acompletion.__name__, library.knows("anthropic"), os.environ.get("FROM_DOTENV"))
print([thread.name for thread in threading.enumerate()])
print(len(library.entries("anthropic", ["claude-sonnet-4-5"])["claude-sonnet-4-5"]) > 10)
"""

_FAILING = """
import asyncio, logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
from passerelle.domain.errors import UpstreamFailed
from tests.fakes.anthropic import AnthropicFake
from tests.fakes.gemini import GeminiFake
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import Close, Fail, Status, Truncate
from tests.unit.backends.litellm.asks import ask, backend, events, target

MESSAGES = [{"role": "user", "content": "PROMPT-OF-A-TENANT"}]
ROWS = [
    (AnthropicFake, "anthropic", "claude-sonnet-4-5", ""),
    (GeminiFake, "gemini", "gemini-2.5-flash", "/v1beta"),
    (lambda: OpenAiLike(OPENAI, model="m"), "scaleway", "m", "/v1"),
]
TOUCHES = [Fail("server"), Fail("validation"), Status(401, {"error": {"message": "bad key"}}), Status(200, "no"),
           Close(), Truncate(after=1), None]

async def main():
    for make, provider, model, path in ROWS:
        async with make() as fake:
            secrets = {"api_key": "SECRET-KEY"}
            async with backend(provider, secrets, api_base=fake.url + path) as opened:
                for touch in TOUCHES:
                    fake.always(*([touch] if touch else []))
                    for stream in (False, True):
                        try:
                            reply = await opened.start(ask(stream=stream, messages=MESSAGES), target(model))
                            if stream:
                                await events(reply.stream)
                        except UpstreamFailed as failure:
                            print("FAILED", failure, failure.told)
                        else:
                            print("ANSWERED")

asyncio.run(main())
"""


def _run(code: str, folder: Path, **environment: str) -> str:
    """What a Python of its own says on either channel; it must end well."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**inherited, "PYTHONPATH": f"{_ROOT / 'src'}:{_ROOT}", **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def test_a_gateway_without_such_a_backend_never_imports_it(tmp_path: Path) -> None:
    assert _run(_WITHOUT, tmp_path).splitlines()[-1] == "[]"


def test_importing_it_opens_no_connection_and_reads_no_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FROM_DOTENV=read\n")

    said = _run(_IMPORT, tmp_path)

    assert said.splitlines() == ["acompletion True None", "['MainThread']", "True"]


def test_neither_prompt_nor_key_is_ever_written_whatever_fails(tmp_path: Path) -> None:
    said = _run(
        _FAILING, tmp_path, LITELLM_LOG="DEBUG", OPENAI_LOG="debug", LITELLM_DISABLE_REDACT_SECRETS="true"
    )

    assert said.count("FAILED") >= 30
    assert said.count("ANSWERED") >= 6
    assert "PROMPT-OF-A-TENANT" not in said
    assert "SECRET-KEY" not in said
    assert "LiteLLM:" not in said
