"""The shape of the house, beyond what import-linter draws."""

import ast
from pathlib import Path

import pytest

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
    "passerelle.evaluation.rag_report",
    "passerelle.evaluation.rag_run",
    "passerelle.evaluation.vectors",
    "passerelle.evaluation.rag_data",
    "passerelle.evaluation.surveys_report",
    "passerelle.evaluation.surveys_run",
    "passerelle.backends.builtin.embedder",
    "passerelle.retrieval.brought",
    "passerelle.retrieval.langchain_store",
    "passerelle.retrieval.server",
    "passerelle.stores.qdrant",
    "passerelle.sharing",
    "passerelle.tenancy.tokens",
}  # ours, which stand on such libraries


def _id(path: Path) -> str:
    return str(path.relative_to(_ROOT))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", _OURS, ids=_id)
def test_a_file_is_short_and_named_for_its_promise(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert path.stem not in _JUNK


@pytest.mark.parametrize("path", _OURS, ids=_id)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    functions = [
        node for node in ast.walk(_tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1}"
        for node in functions
        if node.end_lineno and node.end_lineno - node.lineno >= 60
    ]

    assert long == []


@pytest.mark.parametrize("path", _SOURCES, ids=_id)
def test_a_module_says_what_it_promises_and_keeps_no_global_state(path: Path) -> None:
    tree = _tree(path)

    assert ast.get_docstring(tree)
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Global)]


@pytest.mark.parametrize("path", _SOURCES, ids=_id)
def test_only_heavy_libraries_are_imported_inside_functions(path: Path) -> None:
    inside = {
        module if module in _LATER else module.split(".")[0]
        for function in ast.walk(_tree(path))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        for module in _modules(node)
    }

    assert inside <= _HEAVY | _LATER


@pytest.mark.parametrize("path", _SOURCES, ids=_id)
def test_only_wire_holds_an_http_client(path: Path) -> None:
    modules = {module.split(".")[0] for node in ast.walk(_tree(path)) for module in _modules(node)}

    assert path.parent.name == "wire" or not modules & _HTTP_CLIENTS


@pytest.mark.parametrize("path", _SOURCES, ids=_id)
def test_only_settings_and_entries_read_the_environment(path: Path) -> None:
    names = {ast.unparse(node) for node in ast.walk(_tree(path)) if isinstance(node, ast.Attribute)}

    assert "os.environ" not in names or _id(path) in _READERS


_READERS = {
    "src/passerelle/configured.py",
    "src/passerelle/settings.py",
    "src/passerelle/parts.py",
    "src/passerelle/backends/litellm/library.py",  # writes, and reads nothing: LiteLLM listens to nothing else
}


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [node.module or ""]
    return []
