"""The built graph appears whole or not at all, once for all processes; an operator's folder is taken as it is."""

import multiprocessing
from pathlib import Path

import onnxruntime
import pytest

from passerelle.backends.builtin import model_file
from passerelle.backends.builtin.embedder import Embedder
from passerelle.backends.builtin.errors import ModelMissing
from tests.unit.backends.builtin.encoders import write_encoder, write_json


def _build(cache: str) -> str:
    return str(model_file.packaged(Path(cache)).graph)


def test_processes_that_start_together_build_one_whole_graph(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        graphs = set(pool.map(_build, [str(tmp_path)] * 3, chunksize=1))

    assert len(graphs) == 1
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".lock"] == [Path(graphs.pop()).name]


def test_the_graph_is_small_and_built_only_once(models: Path) -> None:
    first = model_file.packaged(models)
    written = first.graph.stat().st_mtime_ns

    assert model_file.packaged(models) == first
    assert first.graph.stat().st_mtime_ns == written
    assert 20e6 < first.graph.stat().st_size < 26e6
    assert first.max_tokens == 256
    assert first.pooling == "mean"


def test_what_a_killed_builder_left_is_swept_away(tmp_path: Path, models: Path) -> None:
    name = model_file.packaged(models).graph.name
    (tmp_path / f".{name}.killed").write_bytes(b"half")

    built = model_file.packaged(tmp_path)

    assert built.graph.stat().st_size > 20e6
    assert not list(tmp_path.glob(".*"))


def test_a_damaged_graph_is_built_again(tmp_path: Path, models: Path) -> None:
    whole = model_file.packaged(models).graph.read_bytes()
    damaged = tmp_path / model_file.packaged(models).graph.name
    damaged.write_bytes(whole[:1_000_000])

    assert Embedder(cache=tmp_path).embed(["Bonjour"]).vectors.shape == (1, 384)
    assert damaged.read_bytes() == whole


def test_the_graph_takes_ids_only_because_nothing_is_ever_padded(models: Path) -> None:
    session = onnxruntime.InferenceSession(str(model_file.packaged(models).graph))

    assert [entry.name for entry in session.get_inputs()] == ["input_ids"]


def test_a_cache_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ModelMissing, match=r"cannot be kept in .* Give the service a data folder"):
        model_file.packaged(tmp_path / "file" / "models")


def test_without_the_package_the_error_names_both_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_file, "PACKAGE", "no_such_model_package")

    with pytest.raises(ModelMissing, match=r"no-such-model-package is not installed.*or name a folder"):
        model_file.locate(tmp_path)


def test_weights_cut_short_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "short_model" / "model"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "model.safetensors").write_bytes(b"\xff" * 64)
    write_json(package / "config.json", {})
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(model_file, "PACKAGE", "short_model")

    with pytest.raises(ModelMissing, match="cannot be read"):
        model_file.packaged(tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.onnx"))


def test_an_operators_folder_says_how_its_vectors_are_made(tmp_path: Path) -> None:
    write_encoder(tmp_path, inputs=("input_ids",))
    write_json(tmp_path / "1_Pooling" / "config.json", {"pooling_mode_cls_token": True})
    write_json(tmp_path / "sentence_bert_config.json", {"max_seq_length": 99999})
    write_json(
        tmp_path / "config_sentence_transformers.json",
        {"prompts": {"query": "query: ", "passage": "passage: "}},
    )

    files = model_file.locate(tmp_path / "unused", tmp_path)

    assert (files.pooling, files.max_tokens, files.built) == ("cls", 512, False)
    assert (files.query_prefix, files.text_prefix) == ("query: ", "passage: ")
    assert not (tmp_path / "unused").exists()


def test_the_quantised_graph_of_a_folder_comes_first(tmp_path: Path) -> None:
    write_encoder(tmp_path, inputs=("input_ids",), file="model.onnx")
    write_encoder(tmp_path, inputs=("input_ids",), file="onnx/model_quantized.onnx")

    assert model_file.in_folder(tmp_path).graph == tmp_path / "onnx" / "model_quantized.onnx"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds no ONNX file"),
        ({"model.onnx": "x"}, "holds no tokenizer.json"),
        (
            {
                "model.onnx": "x",
                "tokenizer.json": "{}",
                "1_Pooling/config.json": '{"pooling_mode_max_tokens": true}',
            },
            "other than mean or cls",
        ),
        ({"model.onnx": "x", "tokenizer.json": "{}", "sentence_bert_config.json": "{"}, "cannot be read"),
    ],
)
def test_a_folder_that_lacks_something_is_one_clear_error(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    with pytest.raises(ModelMissing, match=message):
        model_file.in_folder(tmp_path)
