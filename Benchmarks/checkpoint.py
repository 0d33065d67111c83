"""Apus checkpoints (Sources/ApusTraining/Export/GRAPH_JSON.md) in Python: read, write, and the two models that are measured."""

import json
import struct

import numpy as np


def read(path):
    """Returns (graph, tensors): the traced graph as a dictionary, the tensors by name."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] != "F32":
            raise ValueError(f"{path}: tensor {name} is {entry['dtype']}, F32 expected")
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], dtype="<f4").reshape(entry["shape"])
    return json.loads(metadata["apus.graph"]), tensors


def write(path, graph, tensors):
    header = {"__metadata__": {"apus.format": "checkpoint", "apus.version": "1", "apus.graph": json.dumps(graph)}}
    offset = 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + tensor.nbytes]}
        offset += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(tensor.astype("<f4").tobytes())


class _Builder:
    """A chain of nodes, each reading the one before, with Glorot-uniform weights from a seeded generator."""

    def __init__(self, name, input_shape, seed):
        self.generator = np.random.default_rng(seed)
        self.tensors = {}
        self.graph = {
            "version": 1, "name": name, "symbols": [{"name": "N", "minimum": 1, "multiple": 1}],
            "inputs": [{"name": "input", "type": {"element": "float32", "shape": ["N", *input_shape]}}],
            "outputs": [], "values": [], "initializers": [], "nodes": [], "metadata": [],
        }
        self.last = "input"

    def weight(self, name, shape, fan_in, fan_out):
        limit = np.sqrt(6.0 / (fan_in + fan_out))
        self.tensors[name] = self.generator.uniform(-limit, limit, shape).astype(np.float32)
        self.graph["initializers"].append({"name": name, "tensor": name})
        return name

    def node(self, name, operator, since_version, weights=(), attributes=()):
        self.graph["nodes"].append({
            "name": name, "domain": "ai.onnx", "operator": operator, "since_version": since_version,
            "inputs": [self.last, *weights], "outputs": [name],
            "attributes": [{"name": key, "type": kind, "value": value} for key, kind, value in attributes],
        })
        self.last = name

    def convolution(self, name, inputs, outputs, kernel, padding):
        area = kernel * kernel
        weight = self.weight(name + ".weight", (outputs, inputs, kernel, kernel), inputs * area, outputs * area)
        bias = self.weight(name + ".bias", (outputs,), inputs * area, outputs * area)
        self.node(name, "Conv", 22, (weight, bias),
                  (("kernel_shape", "ints", [kernel, kernel]), ("pads", "ints", [padding] * 4)))

    def linear(self, name, inputs, outputs):
        weight = self.weight(name + ".weight", (outputs, inputs), inputs, outputs)
        bias = self.weight(name + ".bias", (outputs,), inputs, outputs)
        self.node(name, "Gemm", 13, (weight, bias), (("transB", "int", 1),))

    def maximum_pool(self, name):
        self.node(name, "MaxPool", 22, (), (("kernel_shape", "ints", [2, 2]), ("strides", "ints", [2, 2])))

    def finish(self):
        self.graph["outputs"] = [{"name": self.last}]
        return self.graph, self.tensors


def lenet5(seed):
    """LeNet-5 for [N, 1, 28, 28] with ReLU and maximum pooling, 61,706 parameters."""
    b = _Builder("lenet5", (1, 28, 28), seed)
    b.convolution("conv1", 1, 6, 5, 2)
    b.node("relu1", "Relu", 14)
    b.maximum_pool("pool1")
    b.convolution("conv2", 6, 16, 5, 0)
    b.node("relu2", "Relu", 14)
    b.maximum_pool("pool2")
    b.node("flatten", "Flatten", 21, (), (("axis", "int", 1),))
    b.linear("linear1", 400, 120)
    b.node("relu3", "Relu", 14)
    b.linear("linear2", 120, 84)
    b.node("relu4", "Relu", 14)
    b.linear("logits", 84, 10)
    return b.finish()


def mlp(seed):
    """784-512-512-10 with ReLU for [N, 784], 669,706 parameters."""
    b = _Builder("mlp", (784,), seed)
    b.linear("linear1", 784, 512)
    b.node("relu1", "Relu", 14)
    b.linear("linear2", 512, 512)
    b.node("relu2", "Relu", 14)
    b.linear("logits", 512, 10)
    return b.finish()
