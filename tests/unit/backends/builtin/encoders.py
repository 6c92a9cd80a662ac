"""Small real encoders, written to a folder as an operator would copy one from the Hub."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

WORDS = ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "query", ":", "red", "blue", "train", "cat")
WIDTH = 8


def write_encoder(
    folder: Path, *, inputs: tuple[str, ...], pooled: bool = False, file: str = "onnx/model.onnx"
) -> None:
    """A bag of random word vectors: last_hidden_state, or their mean when `pooled`."""
    folder.mkdir(parents=True, exist_ok=True)
    _tokenizer().save(str(folder / "tokenizer.json"))
    table = np.random.default_rng(7).normal(size=(len(WORDS), WIDTH)).astype(np.float32)
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["words"])]
    hidden = "words"
    for name in inputs[1:]:  # every input the graph declares must matter a little, or it would be dropped
        nodes.append(helper.make_node("Cast", [name], [f"{name}.f"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("ReduceMean", [f"{name}.f"], [f"{name}.m"], keepdims=0))
        nodes.append(helper.make_node("Mul", [f"{name}.m", "nothing"], [f"{name}.0"]))
        nodes.append(helper.make_node("Add", [hidden, f"{name}.0"], [f"{hidden}+"]))
        hidden += "+"
    if pooled:
        nodes.append(helper.make_node("ReduceMean", [hidden, "one"], ["sentence_embedding"], keepdims=0))
    else:
        nodes.append(helper.make_node("Identity", [hidden], ["last_hidden_state"]))
    shape: list[str | int | None] = ["batch", WIDTH] if pooled else ["batch", "tokens", WIDTH]
    graph = helper.make_graph(
        nodes,
        "bag",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in inputs],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, shape)],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(np.zeros((), np.float32), "nothing"),
            numpy_helper.from_array(np.array([1], np.int64), "one"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / file))


def write_json(file: Path, value: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value), encoding="utf-8")


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.enable_truncation(4)  # files from the Hub often carry one, which must not shorten our texts
    return tokenizer
