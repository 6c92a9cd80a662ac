"""GPTCache's import installs nothing and reads no pickle, wherever it happens."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

FAKE_PIP = """#!/bin/sh
echo "$@" >> "{log}"
exit 0
"""
NEEDS_MORE = """
from gptcache import embedding, similarity_evaluation
from gptcache.adapter import api
from gptcache.manager import CacheBase, VectorBase
from gptcache.utils import _check_library, import_paddle, import_ruamel, prompt_install
from gptcache.utils.dependency_control import prompt_install as there

wanted = [
    lambda: similarity_evaluation.CohereRerankEvaluation(),
    lambda: similarity_evaluation.SbertCrossencoderEvaluation(),
    lambda: similarity_evaluation.OnnxModelEvaluation(),
    lambda: embedding.Onnx(),
    lambda: embedding.PaddleNLP(),
    lambda: VectorBase("milvus", dimension=3),
    lambda: api.init_similar_cache_from_config("c.yaml"),
    lambda: _check_library("no_such_library"),
    import_paddle,
    import_ruamel,
    lambda: prompt_install("x"),
    lambda: there("x"),
]
for each in wanted:
    try:
        each()
    except ModuleNotFoundError as error:
        assert "lets nothing be installed" in str(error), error
    else:
        raise SystemExit("it was not refused")
"""


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with a pickle in it that tells when it is read, and a pip on the path that tells too."""
    (tmp_path / "bin").mkdir()
    for name in ("pip", "pip3"):
        program = tmp_path / "bin" / name
        program.write_text(FAKE_PIP.format(log=tmp_path / "pip.log"))
        program.chmod(0o755)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "data_map.txt").write_bytes(pickle.dumps(Bomb(tmp_path / "read")))
    return tmp_path


def python(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder / "work",
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_gptcache_as_it_comes_does_both_so_that_the_tests_below_prove_something(folder: Path) -> None:
    code = (
        "import gptcache\ntry:\n    gptcache.utils._check_library('no_such_library')\nexcept Exception: pass"
    )
    python(folder, code)
    assert (folder / "read").exists()
    assert (folder / "pip.log").read_text() == "install -q no_such_library\n"


@pytest.mark.parametrize(
    "module",
    ["passerelle.bridges.gptcache", "passerelle.bridges.disarm; passerelle.bridges.disarm.disarmed()"],
)
def test_neither_happens_through_us_whatever_part_is_used(folder: Path, module: str) -> None:
    done = python(folder, f"import {module}\n{NEEDS_MORE}")
    assert done.returncode == 0, done.stderr
    assert not (folder / "read").exists()
    assert not (folder / "pip.log").exists()


def test_an_evaluator_of_ours_imports_it_disarmed_too(folder: Path) -> None:
    done = python(folder, "from passerelle.bridges.evaluators import evaluator; evaluator('norm')")
    assert done.returncode == 0, done.stderr
    assert not (folder / "read").exists()


def test_a_map_of_gptcaches_own_reads_and_writes_no_pickle(folder: Path) -> None:
    code = """
import passerelle.bridges.gptcache
from gptcache import Cache
from gptcache.adapter.api import get, put
from gptcache.processor.pre import get_prompt
cache = Cache()
cache.init(pre_embedding_func=get_prompt)
put("q", "a", cache_obj=cache)
assert get("q", cache_obj=cache) == "a"
cache.flush()
"""
    before = (folder / "work" / "data_map.txt").read_bytes()
    done = python(folder, code)
    assert done.returncode == 0, done.stderr
    assert not (folder / "read").exists()
    assert (folder / "work" / "data_map.txt").read_bytes() == before  # nor at the end of the process


def test_the_process_keeps_its_own_logging(folder: Path) -> None:
    code = "import logging, passerelle.bridges.gptcache; assert logging.getLogger().handlers == []"
    done = python(folder, code)
    assert done.returncode == 0, done.stderr


def test_one_that_was_imported_before_us_installs_nothing_from_then_on(folder: Path) -> None:
    done = python(folder, f"import gptcache\nimport passerelle.bridges.gptcache\n{NEEDS_MORE}")
    assert done.returncode == 0, done.stderr
    assert not (folder / "pip.log").exists()


def test_where_it_is_not_installed_the_cure_is_told(folder: Path) -> None:
    code = """
import importlib.util
from passerelle.bridges import disarm
from passerelle.domain.errors import CannotRun
disarm.find_spec = lambda name: None
try:
    disarm.disarmed()
except CannotRun as error:
    assert "passerelle[gptcache]" in error.cure
else:
    raise SystemExit("it was found")
"""
    done = python(folder, code)
    assert done.returncode == 0, done.stderr


def test_serving_imports_nothing_that_it_may_never_use(folder: Path) -> None:
    heavy = {"gptcache", "langchain_core", "jinja2", "xlsxwriter", "cryptography", "presidio_analyzer"}
    code = f"import sys, passerelle.app, passerelle.parts; assert not {heavy} & set(sys.modules)"
    done = python(folder, code)
    assert done.returncode == 0, done.stderr
