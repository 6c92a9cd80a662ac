"""The rows of the table: how each gateway is started, with which settings, and what it does to a request."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.payloads import MODEL
from benchmarks.tools import HERE

LITELLM_VENV = HERE / ".venv-litellm"
LITELLM_PIN = "litellm[proxy]==1.103.7"
UPSTREAM_KEY = "sk-upstream"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one start of a target lives: its own folder (kept from round to round), its port and its engine."""

    folder: Path
    port: int
    upstream_port: int
    key: str
    upstream_command: tuple[str, ...]
    """A further static upstream; its port is the last word to add."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A command line with the environment and files it needs; `files` maps names in the folder to text."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Programs:
    """The executables of the gateways; a name or a path each."""

    passerelle: str = str(Path(sys.executable).parent / "passerelle")
    nginx: str = "nginx"
    litellm: str = str(LITELLM_VENV / "bin" / "litellm")


@dataclass(frozen=True, slots=True)
class Target:
    """One row; `launch` is None for the upstream itself, `program` names the field of Programs it needs."""

    name: str
    does: str
    launch: Callable[[Programs, Place], Launch] | None
    program: str | None = None
    cure: str = ""
    streams: int = 100
    start_timeout_s: float = 30.0

    def missing(self, programs: Programs) -> str | None:
        """Why this row cannot be measured here and what would change that, or None."""
        if self.program is None:
            return None
        wanted = getattr(programs, self.program)
        return None if shutil.which(wanted) else f"{wanted} is not there: {self.cure}"


def _second_upstream(_: Programs, place: Place) -> Launch:
    return Launch(argv=(*place.upstream_command, str(place.port)))


def _passerelle(programs: Programs, place: Place) -> Launch:
    config = f"""version: 1
backends:
  static:
    kind: openai
    url: "http://127.0.0.1:{place.upstream_port}"
    cost: {{input_per_million: 0.1, output_per_million: 0.4, currency: USD}}
models: {{{MODEL}: {{task: chat, targets: [{{backend: static, model: fake}}]}}}}
tenants: {{bench: {{models: {{default: {MODEL}}}, budget: {{amount: 1000000}}}}}}
"""
    return Launch(
        argv=(
            *(programs.passerelle, "serve", "--config", str(place.folder / "providers.yaml")),
            *("--data", str(place.folder / "data"), "--host", "127.0.0.1", "--port", str(place.port)),
        ),
        env={"API_KEYS": f"bench:{place.key}"},
        files={"providers.yaml": config},
    )


def _litellm(programs: Programs, place: Place) -> Launch:
    engine = {
        "model": "openai/fake",
        "api_base": f"http://127.0.0.1:{place.upstream_port}/v1",
        "api_key": UPSTREAM_KEY,
    }
    config = {
        "model_list": [{"model_name": MODEL, "litellm_params": engine}],
        "general_settings": {"master_key": place.key, "disable_spend_logs": True, "disable_error_logs": True},
    }
    return Launch(
        argv=(
            *(programs.litellm, "--config", str(place.folder / "config.yaml")),
            *("--host", "127.0.0.1", "--port", str(place.port), "--num_workers", "1", "--telemetry", "False"),
        ),
        env={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION"},
        files={"config.yaml": json.dumps(config, indent=1)},
    )


def _nginx(programs: Programs, place: Place) -> Launch:
    folder = place.folder
    temporary = "\n  ".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = f"""worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  {temporary}
  keepalive_requests 1000000000;
  client_max_body_size 16m;
  client_body_buffer_size 2m;
  upstream engine {{
    server 127.0.0.1:{place.upstream_port};
    keepalive 512;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{place.port} backlog=4096;
    location / {{
      if ($http_authorization != "Bearer {place.key}") {{ return 401; }}
      proxy_pass http://engine;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer {UPSTREAM_KEY}";
      proxy_buffering off;
    }}
  }}
}}
"""
    return Launch(
        argv=(
            programs.nginx,
            "-p",
            str(folder),
            "-e",
            str(folder / "error.log"),
            "-c",
            str(folder / "nginx.conf"),
        ),
        files={"nginx.conf": config},
    )


TARGETS = {
    target.name: target
    for target in (
        Target(
            "direct",
            does="no gateway, everything on the load core: the ceiling of the test bench; its CPU is the upstream's own",
            launch=None,
        ),
        Target(
            "direct-cross",
            does="no gateway, a second upstream on the gateway core: one hop between cores; its CPU is the upstream's own",
            launch=_second_upstream,
        ),
        Target(
            "passerelle",
            does="embedded default, every control that exists on; its CPU and memory include its PostgreSQL",
            launch=_passerelle,
            program="passerelle",
            cure="run `uv sync` (or `make install`), or give --passerelle PATH",
        ),
        Target(
            "litellm",
            does="key check against the master key, router, model rewrite, callbacks; no database, no budget",
            launch=_litellm,
            program="litellm",
            cure="python -m benchmarks prepare litellm",
            streams=20,
            start_timeout_s=90.0,
        ),
        Target(
            "nginx",
            does="compares the key; no JSON, no model rewrite, no record: what a bare relay costs",
            launch=_nginx,
            program="nginx",
            cure="apt-get install nginx-light, or give --nginx PATH",
        ),
    )
}


def custom(name: str, command: str) -> Target:
    """A row from the command line; `{port}`, `{upstream}`, `{key}` and `{folder}` are replaced in `command`.

    Raises ValueError when the name is taken.
    """
    if name in TARGETS:
        raise ValueError(f"{name} is the name of a built-in target")

    def launch(_: Programs, place: Place) -> Launch:
        words = command.split()
        known = {
            "port": place.port,
            "upstream": place.upstream_port,
            "key": place.key,
            "folder": place.folder,
        }
        return Launch(argv=tuple(word.format(**known) for word in words))

    return Target(name, does=f"given on the command line: {command}", launch=launch)


def version(target: Target, programs: Programs) -> str:
    """The version the target says it has, or "unknown"."""
    commands = {
        "litellm": [
            *(str(Path(programs.litellm).parent / "python"), "-c"),
            "import importlib.metadata as m; print('litellm', m.version('litellm'))",
        ],
        "passerelle": [
            *(str(Path(programs.passerelle).parent / "python"), "-c"),
            "import importlib.metadata as m; print('passerelle', m.version('passerelle'))",
        ],
        "nginx": [programs.nginx, "-v"],
    }
    if target.name not in commands:
        return "-"
    try:
        done = subprocess.run(commands[target.name], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return (done.stdout or done.stderr).strip().splitlines()[-1].removeprefix("nginx version: ")
