"""Writes two small Apus checkpoints (Sources/ApusTraining/Export/GRAPH_JSON.md) for tests: a convolutional network and an LSTM.

usage: small-checkpoints.py FOLDER    writes FOLDER/convolution.safetensors and FOLDER/lstm.safetensors

The weights follow from a fixed linear congruential generator: the same bytes on every machine.
"""

import json
import struct
import sys
from array import array
from math import prod
from pathlib import Path


class Checkpoint:
    def __init__(self, name, input_shape):
        self.state = 1
        self.tensors = []
        self.graph = {
            "version": 1, "name": name, "symbols": [{"name": "N", "minimum": 1, "multiple": 1}],
            "inputs": [{"name": "input", "type": {"element": "float32", "shape": input_shape}}],
            "outputs": [], "values": [], "initializers": [], "nodes": [],
            "metadata": [{"key": "purpose", "value": "test"}],
        }

    def constant(self, name, shape, low=-0.5, high=0.5):
        values = array("f")
        for _ in range(prod(shape)):
            self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
            values.append(low + (high - low) * (self.state >> 40) / 2**24)
        if sys.byteorder == "big":
            values.byteswap()
        self.tensors.append((name, shape, values.tobytes()))
        self.graph["initializers"].append({"name": name, "tensor": name})
        return name

    def node(self, operator, since_version, inputs, *outputs, **attributes):
        kinds = {int: "int", float: "float", str: "string", list: "ints"}
        self.graph["nodes"].append({
            "name": outputs[0], "domain": "ai.onnx", "operator": operator, "since_version": since_version,
            "inputs": inputs, "outputs": list(outputs),
            "attributes": [{"name": k, "type": kinds[type(v)], "value": v} for k, v in attributes.items()],
        })
        return outputs[0]

    def write(self, path, outputs):
        self.graph["outputs"] = [{"name": name} for name in outputs]
        header = {"__metadata__": {"apus.format": "checkpoint", "apus.version": "1", "apus.graph": json.dumps(self.graph)}}
        offset = 0
        for name, shape, data in self.tensors:
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + len(data)]}
            offset += len(data)
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in self.tensors))


def convolution(path):
    """[N, 1, 6, 6] -> class probabilities [N, 3]."""
    c = Checkpoint("small-convolution", ["N", 1, 6, 6])
    x = c.node("Conv", 22, ["input", c.constant("conv.weight", [2, 1, 3, 3]), c.constant("conv.bias", [2])], "conv",
               kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    statistics = [c.constant("norm.scale", [2], 0.5, 1.5), c.constant("norm.shift", [2]),
                  c.constant("norm.mean", [2]), c.constant("norm.variance", [2], 0.5, 1.5)]
    x = c.node("BatchNormalization", 15, [x, *statistics], "norm", epsilon=1e-05)
    x = c.node("Relu", 14, [x], "relu")
    x = c.node("MaxPool", 22, [x], "pool", kernel_shape=[2, 2], strides=[2, 2])
    x = c.node("Flatten", 21, [x], "flatten", axis=1)
    x = c.node("Gemm", 13, [x, c.constant("linear.weight", [3, 18]), c.constant("linear.bias", [3])], "linear", transB=1)
    x = c.node("Softmax", 13, [x], "probabilities", axis=-1)
    c.write(path, [x])


def lstm(path):
    """A sequence [5, N, 3] -> the last hidden state [1, N, 4]."""
    c = Checkpoint("small-lstm", [5, "N", 3])
    weights = [c.constant("lstm.w", [1, 16, 3]), c.constant("lstm.r", [1, 16, 4]), c.constant("lstm.b", [1, 32])]
    c.node("LSTM", 22, ["input", *weights], "sequence", "hidden", hidden_size=4)
    c.node("Tanh", 13, ["hidden"], "squashed")
    c.write(path, ["squashed"])


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    convolution(folder / "convolution.safetensors")
    lstm(folder / "lstm.safetensors")
