"""Vectors are near the full-precision model's, the same in any company, and counted truly."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.backends.builtin import model_file, safetensors
from passerelle.backends.builtin.embedder import Embedder
from passerelle.backends.builtin.encoder import Vectors
from passerelle.backends.builtin.errors import BadInput, ModelMissing
from tests.unit.backends.builtin.encoders import WIDTH, write_encoder, write_json
from tests.unit.backends.builtin.pairs import PAIRS

TEXTS = (
    "The train leaves at eight.",
    "Le train part à huit heures.",
    "Un chat",
    "A much longer sentence that speaks of trains, of cats and of the price of bread in Lyon.",
)


def test_the_same_text_has_the_same_vector_in_any_company(embedder: Embedder) -> None:
    together = embedder.embed([*TEXTS, *TEXTS]).vectors
    alone = np.concatenate([embedder.embed([text]).vectors for text in TEXTS])

    assert np.array_equal(together[: len(TEXTS)], alone)
    assert np.array_equal(together[len(TEXTS) :], alone)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_int8_stays_near_the_full_precision_model(embedder: Embedder) -> None:
    texts = [text for left, right, _score, _language in PAIRS for text in (left, right)]
    folder = embedder.files.tokenizer.parent
    weights = safetensors.read(folder / "model.safetensors")
    exact = np.stack([_forward(weights, embedder.tokens.framed(embedder.tokens.ids(t), 256)) for t in texts])

    cosines = (exact * embedder.embed(texts).vectors).sum(axis=1)

    assert cosines.min() > 0.985
    assert cosines.mean() > 0.993


@pytest.mark.parametrize(("language", "bar"), [("en", 0.85), ("fr", 0.75)])
def test_likeness_ranks_pairs_as_people_do(embedder: Embedder, language: str, bar: float) -> None:
    pairs = [pair for pair in PAIRS if pair[3] == language]
    left = embedder.embed([pair[0] for pair in pairs]).vectors
    right = embedder.embed([pair[1] for pair in pairs]).vectors

    assert _spearman((left * right).sum(axis=1), np.array([pair[2] for pair in pairs])) > bar


def test_tokens_are_the_models_own_and_include_the_special_ones(embedder: Embedder) -> None:
    embedded = embedder.embed(["Hello world", ""])

    assert embedded.tokens == (4, 2)
    assert embedded.dropped == (0, 0)
    assert embedder.count_tokens("Hello world") == 2


def test_a_long_text_is_cut_and_says_by_how_much(embedder: Embedder) -> None:
    embedded = embedder.embed(["word " * 300, "word " * 254])

    assert embedded.tokens == (256, 256)
    assert embedded.dropped == (46, 0)
    assert np.array_equal(embedded.vectors[0], embedded.vectors[1])


@given(st.lists(st.lists(st.integers(1, 400).map(lambda n: "mot " * (n % 40)), max_size=4), max_size=3))
@settings(max_examples=15, deadline=None)
def test_every_text_gets_its_own_row_in_order(embedder: Embedder, groups: list[list[str]]) -> None:
    texts = [text for group in groups for text in group]
    vectors = embedder.embed(texts).vectors

    assert vectors.shape == (len(texts), 384)
    for text, row in zip(texts, vectors, strict=True):
        assert np.array_equal(row, embedder.embed([text]).vectors[0])


def test_token_ids_give_the_vector_of_their_text(embedder: Embedder) -> None:
    inner = embedder.tokens.ids("The train leaves at eight.")
    framed = embedder.tokens.framed(inner, 256)

    by_text = embedder.embed(["The train leaves at eight."])
    by_ids = embedder.embed([inner, framed])

    assert by_ids.tokens == by_text.tokens * 2
    assert np.array_equal(by_ids.vectors[0], by_text.vectors[0])
    assert np.array_equal(by_ids.vectors[1], by_text.vectors[0])


@pytest.mark.parametrize("wrong", [100_256, -1])
def test_ids_of_another_tokenizer_are_refused(embedder: Embedder, wrong: int) -> None:
    with pytest.raises(BadInput, match="another model's tokenizer"):
        embedder.embed([[7592, wrong]])


def test_fewer_dimensions_are_the_first_ones_at_length_one(embedder: Embedder) -> None:
    whole = embedder.embed(TEXTS).vectors
    short = embedder.embed(TEXTS, dimensions=128).vectors

    assert short.shape == (len(TEXTS), 128)
    assert np.allclose(np.linalg.norm(short, axis=1), 1, atol=1e-5)
    assert np.allclose(
        short, whole[:, :128] / np.linalg.norm(whole[:, :128], axis=1, keepdims=True), atol=1e-6
    )


@pytest.mark.parametrize("dimensions", [0, -1, 385, 1536])
def test_dimensions_that_the_model_does_not_have_are_refused(embedder: Embedder, dimensions: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 384, the length of the vectors of all-MiniLM-L6-v2"):
        embedder.embed(["text"], dimensions=dimensions)


def test_threads_share_one_embedder_from_its_first_use_on(models: Path) -> None:
    shared = Embedder(cache=models)
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda text: shared.embed([text]).vectors[0], TEXTS * 4))

    assert np.array_equal(np.stack(rows), np.concatenate([shared.embed(TEXTS).vectors] * 4))


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize(
    "inputs",
    [("input_ids",), ("input_ids", "attention_mask"), ("input_ids", "attention_mask", "token_type_ids")],
)
def test_an_operators_encoder_is_fed_what_it_declares(
    tmp_path: Path, inputs: tuple[str, ...], pooled: bool
) -> None:
    write_encoder(tmp_path, inputs=inputs, pooled=pooled)
    own = Embedder(cache=tmp_path, folder=tmp_path)

    embedded = own.embed(["red cat", "red cat red train blue cat"])

    assert (own.files.name, own.dimensions) == (tmp_path.name, WIDTH)
    assert embedded.tokens == (4, 8)
    assert np.allclose(np.linalg.norm(embedded.vectors, axis=1), 1, atol=1e-5)


def test_a_question_gets_the_prefix_its_model_was_trained_with(tmp_path: Path) -> None:
    write_encoder(tmp_path, inputs=("input_ids",))
    write_json(tmp_path / "config_sentence_transformers.json", {"prompts": {"query": "query : "}})
    own = Embedder(cache=tmp_path, folder=tmp_path)

    assert np.array_equal(own.embed(["red"], question=True).vectors, own.embed(["query : red"]).vectors)


def test_cls_pooling_takes_the_first_token(tmp_path: Path) -> None:
    write_encoder(tmp_path, inputs=("input_ids",))
    write_json(tmp_path / "1_Pooling" / "config.json", {"pooling_mode_cls_token": True})
    own = Embedder(cache=tmp_path, folder=tmp_path)

    assert np.array_equal(own.embed(["red"]).vectors, own.embed(["blue cat"]).vectors)


def test_a_graph_that_is_no_encoder_is_one_clear_error(tmp_path: Path) -> None:
    write_encoder(tmp_path, inputs=("input_ids", "pixels"))

    with pytest.raises(ModelMissing, match=r"cannot be loaded .* must be an ONNX text encoder"):
        Embedder(cache=tmp_path, folder=tmp_path).embed(["red"])


def test_a_broken_tokenizer_is_one_clear_error(tmp_path: Path) -> None:
    write_encoder(tmp_path, inputs=("input_ids",))
    (tmp_path / "tokenizer.json").write_text(json.dumps({"version": "1.0"}))

    with pytest.raises(ModelMissing, match=r"tokenizer .* cannot be read"):
        Embedder(cache=tmp_path, folder=tmp_path).count_tokens("red")


def test_nothing_is_built_or_loaded_before_the_first_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_file, "PACKAGE", "no_such_model_package")

    Embedder(cache=tmp_path)

    assert not list(tmp_path.iterdir())


def _forward(w: Mapping[str, Vectors], ids: list[int]) -> Vectors:
    """BERT in plain float32 (Devlin et al., 2018), mean pooling, length 1: what the graph approximates."""

    def dense(x: Vectors, name: str) -> Vectors:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x: Vectors, name: str) -> Vectors:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        moved: Vectors = scaled * w[f"{name}.weight"] + w[f"{name}.bias"]
        return moved

    def heads(x: Vectors) -> Vectors:
        return x.reshape(len(ids), 12, 32).transpose(1, 0, 2)

    e = "embeddings."
    x = w[f"{e}word_embeddings.weight"][ids] + w[f"{e}position_embeddings.weight"][: len(ids)]
    x = norm(x + w[f"{e}token_type_embeddings.weight"][0], f"{e}LayerNorm")
    for index in range(6):
        p = f"encoder.layer.{index}."
        q, k, v = (heads(dense(x, f"{p}attention.self.{name}")) for name in ("query", "key", "value"))
        scores = np.exp(q @ k.transpose(0, 2, 1) / np.sqrt(32))
        read = (scores / scores.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(ids), 384)
        x = norm(x + dense(read, f"{p}attention.output.dense"), f"{p}attention.output.LayerNorm")
        wide = dense(x, f"{p}intermediate.dense")
        # The usual tanh form of GELU is within 1e-3 of the exact one.
        gelu = wide / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (wide + 0.044715 * wide**3)))
        x = norm(x + dense(gelu, f"{p}output.dense"), f"{p}output.LayerNorm")
    mean: Vectors = x.mean(0)
    mean /= np.linalg.norm(mean)
    return mean


def _spearman(left: Vectors, right: Vectors) -> float:
    ranks = [values.argsort().argsort().astype(np.float64) for values in (left, right)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
