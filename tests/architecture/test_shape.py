"""The shape of the house, beyond what import-linter draws."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_SOURCES = sorted((_ROOT / "src" / "passerelle").rglob("*.py"))
_OURS = _SOURCES + [
    path
    for folder in ("tests", "benchmarks")
    for path in sorted((_ROOT / folder).rglob("*.py"))
    if not any(part.startswith(".") for part in path.relative_to(_ROOT).parts)
]
_JUNK = {"utils", "util", "helpers", "helper", "common", "core", "misc", "manager"}
_HTTP_CLIENTS = {"aiohttp", "httpx", "httpx2", "requests", "urllib3"}
# Libraries that cost a second or a hundred megabytes are imported by the function that needs them.
_HEAVY = {
    "numpy",
    "qdrant_client",
    "qdrant_edge",
    "onnx",
    "onnxruntime",
    "tokenizers",
    "huggingface_hub",
    "httpx2",
    "genai_prices",
    "ecologits",
    "alembic",
    "litellm",
    "openai",
    "httpx",
    "cryptography",
    "joserfc",
    "jsonschema_rs",
    "jinja2",
    "xlsxwriter",
}
_LATER = {
    "passerelle.cache.brute",
    "passerelle.cache.opening",
    "passerelle.cli.operator_here",
    "passerelle.jobs.worker",
    "passerelle.pipelines.documents.chunks",
    "passerelle.pipelines.models.chat",
    "passerelle.pipelines.models.embeddings",
    "passerelle.pipelines.models.messages",
    "passerelle.pipelines.models.reranker",
    "passerelle.pipelines.models.structured",
    "passerelle.pipelines.models.untraced",
    "passerelle.pipelines.rag.chain",
    "passerelle.pipelines.rag.opening",
    "passerelle.pipelines.rag.searching_reranked",
    "passerelle.pipelines.surveys.opening",
    "passerelle.pipelines.surveys.asking",
    "passerelle.pipelines.surveys.learning",
    "passerelle.pipelines.surveys.promoting",
    "passerelle.pipelines.surveys.themes_finding",
    "passerelle.pipelines.surveys.themes_naming",
    "passerelle.pipelines.surveys.learning_features",
    "passerelle.pipelines.surveys.analysing",
    "passerelle.pipelines.surveys.running",
    "passerelle.pipelines.surveys.running_learned",
    "passerelle.pipelines.surveys.running_reader",
    "passerelle.pipelines.surveys.codebooks",
    "passerelle.pipelines.enrichment.opening",
    "passerelle.pipelines.enrichment.writing",
    "passerelle.rights.opening",
    "passerelle.evaluation.rag_report",
    "passerelle.evaluation.rag_run",
    "passerelle.evaluation.vectors",
    "passerelle.evaluation.rag_data",
    "passerelle.evaluation.surveys_report",
    "passerelle.evaluation.surveys_run",
    "passerelle.backends.builtin.embedder",
    "passerelle.reports.as_html",
    "passerelle.reports.as_xlsx",
    "passerelle.reports.content.as_html",
    "passerelle.reports.surveys.as_html",
    "passerelle.reports.surveys.as_xlsx",
    "passerelle.retrieval.brought",
    "passerelle.retrieval.langchain_store",
    "passerelle.retrieval.server",
    "passerelle.stores.qdrant",
    "passerelle.sharing",
    "passerelle.tenancy.tokens",
}  # ours, which stand on such libraries


def _id(path: Path) -> str:
    return str(path.relative_to(_ROOT))


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def _nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(_text(path))))


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in _nodes(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


# Each test looks at every file: a test for each of them costs a minute.


def test_every_file_is_found() -> None:
    assert len(_SOURCES) > 700
    assert len(_OURS) > len(_SOURCES) + 500


def test_every_file_is_short_and_named_for_its_promise() -> None:
    assert {_id(path): n for path in _OURS if (n := len(_text(path).splitlines())) > 400} == {}
    assert [_id(path) for path in _OURS if path.stem in _JUNK] == []


def test_every_function_fits_on_a_screen() -> None:
    long = [
        f"{_id(path)} {node.name}: {node.end_lineno - node.lineno + 1}"
        for path in _OURS
        for node in _functions(path)
        if node.end_lineno and node.end_lineno - node.lineno >= 60
    ]

    assert long == []


def test_every_module_says_what_it_promises_and_keeps_no_global_state() -> None:
    assert [_id(path) for path in _SOURCES if not ast.get_docstring(_module(path))] == []
    assert [
        f"{_id(path)}:{node.lineno}"
        for path in _SOURCES
        for node in _nodes(path)
        if isinstance(node, ast.Global)
    ] == []


def test_only_heavy_libraries_are_imported_inside_functions() -> None:
    inside = {
        f"{_id(path)}: {module}"
        for path in _SOURCES
        for function in _functions(path)
        for node in ast.walk(function)
        for module in _modules(node)
        if (module if module in _LATER else module.split(".")[0]) not in _HEAVY | _LATER
    }

    assert inside == set()


def test_only_wire_holds_an_http_client() -> None:
    holders = {
        _id(path)
        for path in _SOURCES
        for node in _nodes(path)
        for module in _modules(node)
        if module.split(".")[0] in _HTTP_CLIENTS and path.parent.name != "wire"
    }

    assert holders == set()


def test_only_settings_and_entries_read_the_environment() -> None:
    readers = {
        _id(path)
        for path in _SOURCES
        for node in _nodes(path)
        if isinstance(node, ast.Attribute) and node.attr == "environ" and ast.unparse(node) == "os.environ"
    }

    assert readers <= _READERS


_READERS = {
    "src/passerelle/configured.py",
    "src/passerelle/settings.py",
    "src/passerelle/parts.py",
    "src/passerelle/backends/litellm/library.py",  # writes, and reads nothing: LiteLLM listens to nothing else
}


def _module(path: Path) -> ast.Module:
    module = _nodes(path)[0]
    assert isinstance(module, ast.Module)
    return module


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [node.module or ""]
    return []
