"""Builds the ONNX graph of a BERT sentence encoder from its weights, int8 per channel, without torch.

Weights are rounded once, one scale per output channel; activations while running, one scale per token. So the
vector of a text never depends on the texts beside it, as it does when one scale serves a whole batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto, TensorProto

    Floats = NDArray[float32]

OPSET = 20  # the first with Gelu
IR_VERSION = 9
FLOAT, INT64 = 1, 7  # onnx.TensorProto's numbers for its element types
# Seven bits, not eight: pairs of products stay below 2**15 (255 x 64 x 2), so that processors whose 8-bit
# multiply-add saturates at 16 bits give the same vectors as those where it does not.
WEIGHT_STEPS = 64
WORD_STEPS = 127
ACTIVATION_STEPS = 127
ACTIVATION_ZERO = 128
SMALLEST_SCALE = 1e-12


@dataclass(frozen=True, slots=True)
class BertShape:
    """The sizes of a BERT encoder, as its config.json states them."""

    hidden: int
    heads: int
    layers: int
    epsilon: float

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> BertShape:
        """Reads config.json. Raises KeyError when a size is missing."""
        return cls(
            hidden=config["hidden_size"],
            heads=config["num_attention_heads"],
            layers=config["num_hidden_layers"],
            epsilon=config["layer_norm_eps"],
        )


class _Builder:
    """Collects nodes and constants, and names the values between them."""

    def __init__(self) -> None:
        import numpy  # noqa: PLC0415, ICN001 - only when a model is built
        import onnx  # noqa: PLC0415

        self.numpy = numpy
        self.onnx = onnx
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}

    def constant(self, name: str, value: Any, dtype: str = "float32") -> str:
        if name not in self.constants:
            array = self.numpy.ascontiguousarray(value, dtype)
            # ascontiguousarray makes a scalar a list of one.
            array = array.reshape(self.numpy.shape(value))
            self.constants[name] = self.onnx.numpy_helper.from_array(array, name)
        return name

    def node(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        return self.split(operator, inputs, count=1, **attributes)[0]

    def split(self, operator: str, inputs: Sequence[str], *, count: int, **attributes: Any) -> list[str]:
        outputs = [f"{operator}_{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, outputs, **attributes))
        return outputs


class _Bert:
    """One encoder's weights, and the part of the graph that each layer adds."""

    def __init__(self, weights: Mapping[str, Floats], shape: BertShape) -> None:
        self.weights = weights
        self.shape = shape
        self.build = _Builder()

    def embeddings(self, ids: str) -> str:
        """Word + position + token type, normalised: (batch, tokens, hidden); words int8, a scale a row."""
        build = self.build
        words = self.weights["embeddings.word_embeddings.weight"]
        scale = (abs(words).max(axis=1, keepdims=True) / WORD_STEPS).clip(SMALLEST_SCALE)
        rows = build.node("Gather", [build.constant("words", (words / scale).round(), "int8"), ids])
        scales = build.node("Gather", [build.constant("words.scale", scale), ids])
        meaning = build.node("Mul", [build.node("Cast", [rows], to=FLOAT), scales])
        # A single text is one segment: token type 0 everywhere.
        segment = self.weights["embeddings.token_type_embeddings.weight"][0]
        places = self.weights["embeddings.position_embeddings.weight"] + segment
        first = build.constant("first", [0], "int64")
        length = build.node("Shape", [ids], start=1, end=2)
        place = build.node("Slice", [build.constant("places", places), first, length, first])
        return self.normalise(build.node("Add", [meaning, place]), "embeddings.LayerNorm")

    def layer(self, x: str, index: int) -> str:
        """One transformer layer: self-attention and feed-forward, each added to its input and normalised."""
        build = self.build
        prefix = f"encoder.layer.{index}."
        attended = self.linear(self.attention(x, prefix), [f"{prefix}attention.output.dense"])
        x = self.normalise(build.node("Add", [x, attended]), f"{prefix}attention.output.LayerNorm")
        wide = build.node("Gelu", [self.linear(x, [f"{prefix}intermediate.dense"])])
        narrow = self.linear(wide, [f"{prefix}output.dense"])
        return self.normalise(build.node("Add", [x, narrow]), f"{prefix}output.LayerNorm")

    def attention(self, x: str, prefix: str) -> str:
        """Scaled dot-product attention over all heads; no mask, because batches hold texts of one length."""
        build, shape = self.build, self.shape
        width = shape.hidden // shape.heads
        mixed = self.linear(x, [f"{prefix}attention.self.{part}" for part in ("query", "key", "value")])
        heads = build.constant("heads", [0, 0, 3 * shape.heads, width], "int64")
        parts = build.split("Split", [build.node("Reshape", [mixed, heads])], count=3, axis=2, num_outputs=3)
        query, value = (build.node("Transpose", [part], perm=[0, 2, 1, 3]) for part in (parts[0], parts[2]))
        key = build.node("Transpose", [parts[1]], perm=[0, 2, 3, 1])
        scale = build.constant("attention.scale", width**-0.5)
        scores = build.node("MatMul", [build.node("Mul", [query, scale]), key])
        read = build.node("MatMul", [build.node("Softmax", [scores], axis=-1), value])
        joined = build.constant("joined", [0, 0, shape.hidden], "int64")
        return build.node("Reshape", [build.node("Transpose", [read], perm=[0, 2, 1, 3]), joined])

    def linear(self, x: str, names: Sequence[str]) -> str:
        """The product x W + b in 8-bit integers; layers that read the same input become one product."""
        build, first = self.build, names[0]
        weight = build.numpy.concatenate([self.weights[f"{name}.weight"] for name in names]).T
        scale = (abs(weight).max(axis=0) / WEIGHT_STEPS).clip(SMALLEST_SCALE)
        whole = build.constant(f"{first}.int8", (weight / scale).round(), "int8")
        middle = build.constant("activation.zero", ACTIVATION_ZERO, "uint8")

        last = build.constant("last", [-1], "int64")
        step = build.constant("activation.step", 1 / ACTIVATION_STEPS)
        largest = build.node("ReduceMax", [build.node("Abs", [x]), last], keepdims=1)
        scaled = build.node("Mul", [largest, step])
        per_token = build.node("Max", [scaled, build.constant("activation.tiny", SMALLEST_SCALE)])
        one = build.constant("one", 1)
        rounded = build.node("QuantizeLinear", [build.node("Div", [x, per_token]), one, middle])

        product = build.node("Cast", [build.node("MatMulInteger", [rounded, whole, middle])], to=FLOAT)
        product = build.node("Mul", [product, build.constant(f"{first}.scale", scale)])
        bias = build.numpy.concatenate([self.weights[f"{name}.bias"] for name in names])
        real = build.node("Mul", [product, per_token])
        return build.node("Add", [real, build.constant(f"{first}.bias", bias)])

    def normalise(self, x: str, name: str) -> str:
        gain = self.build.constant(f"{name}.weight", self.weights[f"{name}.weight"])
        shift = self.build.constant(f"{name}.bias", self.weights[f"{name}.bias"])
        return self.build.node("LayerNormalization", [x, gain, shift], axis=-1, epsilon=self.shape.epsilon)


def encoder(weights: Mapping[str, Floats], shape: BertShape) -> ModelProto:
    """The graph from input_ids (batch, tokens) to last_hidden_state (batch, tokens, hidden).

    All texts of a batch must have one length. The forward pass is BERT's (Devlin et al., 2018).
    Raises KeyError when a weight is missing.
    """
    bert = _Bert(weights, shape)
    x = bert.embeddings("input_ids")
    for index in range(shape.layers):
        x = bert.layer(x, index)
    build, make = bert.build, bert.build.onnx.helper
    build.nodes[-1].output[0] = "last_hidden_state"
    ids = make.make_tensor_value_info("input_ids", INT64, ["batch", "tokens"])
    states = make.make_tensor_value_info("last_hidden_state", FLOAT, ["batch", "tokens", shape.hidden])
    graph = make.make_graph(build.nodes, "bert", [ids], [states], list(build.constants.values()))
    model: ModelProto = make.make_model(graph, opset_imports=[make.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    return model
