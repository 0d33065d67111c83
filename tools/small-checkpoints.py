"""Writes small Apus checkpoints (Sources/ApusTraining/Export/GRAPH_JSON.md) for tests: a convolutional network, an LSTM and a
linear classifier.

usage: small-checkpoints.py FOLDER
    writes FOLDER/convolution.safetensors, lstm.safetensors and linear.safetensors; for the last also images.idx and labels.idx,
    images with the classes that it gives them, and logits.f32, its logits

The weights follow from a fixed linear congruential generator: the same bytes on every machine. Each carries a test vector whose
output is computed here, in float64, by plain loops: `modelconv verify` compares two programs that share nothing.
"""

import json
import struct
import sys
from array import array
from math import exp, prod, sqrt, tanh
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

    def random(self, count, low=-0.5, high=0.5):
        values = array("f")
        for _ in range(count):
            self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
            values.append(low + (high - low) * (self.state >> 40) / 2**24)
        return values

    def add(self, name, shape, values):
        little = array("f", values)
        if sys.byteorder == "big":
            little.byteswap()
        self.tensors.append((name, shape, little.tobytes()))

    def constant(self, name, shape, low=-0.5, high=0.5):
        values = self.random(prod(shape), low, high)
        self.add(name, shape, values)
        self.graph["initializers"].append({"name": name, "tensor": name})
        return values

    def node(self, operator, since_version, inputs, *outputs, **attributes):
        kinds = {int: "int", float: "float", str: "string", list: "ints"}
        self.graph["nodes"].append({
            "name": outputs[0], "domain": "ai.onnx", "operator": operator, "since_version": since_version,
            "inputs": inputs, "outputs": list(outputs),
            "attributes": [{"name": k, "type": kinds[type(v)], "value": v} for k, v in attributes.items()],
        })

    def write(self, path, output, input_shape, inputs, output_shape, outputs):
        self.graph["outputs"] = [{"name": output}]
        self.graph["tests"] = {"count": 1, "absolute_tolerance": 1e-5, "relative_tolerance": 1e-5}
        self.add("apus.test.0.input.input", input_shape, inputs)
        self.add(f"apus.test.0.output.{output}", output_shape, outputs)
        header = {"__metadata__": {"apus.format": "checkpoint", "apus.version": "1", "apus.graph": json.dumps(self.graph)}}
        offset = 0
        for name, shape, data in self.tensors:
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + len(data)]}
            offset += len(data)
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in self.tensors))


def convolution(path):
    """[N, 1, 6, 6] -> class probabilities [N, 16]. The linear layer's weights are large enough for a segment of their own."""
    classes = 16
    c = Checkpoint("small-convolution", ["N", 1, 6, 6])
    kernel, bias = c.constant("conv.weight", [2, 1, 3, 3]), c.constant("conv.bias", [2])
    scale, shift = c.constant("norm.scale", [2], 0.5, 1.5), c.constant("norm.shift", [2])
    mean, variance = c.constant("norm.mean", [2]), c.constant("norm.variance", [2], 0.5, 1.5)
    weight, offset = c.constant("linear.weight", [classes, 18]), c.constant("linear.bias", [classes])
    epsilon = 1e-05
    c.node("Conv", 22, ["input", "conv.weight", "conv.bias"], "conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    c.node("BatchNormalization", 15, ["conv", "norm.scale", "norm.shift", "norm.mean", "norm.variance"], "norm",
           epsilon=epsilon)
    c.node("Relu", 14, ["norm"], "relu")
    c.node("MaxPool", 22, ["relu"], "pool", kernel_shape=[2, 2], strides=[2, 2])
    c.node("Flatten", 21, ["pool"], "flatten", axis=1)
    c.node("Gemm", 13, ["flatten", "linear.weight", "linear.bias"], "linear", transB=1)
    c.node("Softmax", 13, ["linear"], "probabilities", axis=-1)

    image = c.random(36, 0.0, 1.0)
    features = []
    for channel in range(2):
        plane = {}
        for y in range(6):
            for x in range(6):
                total = bias[channel]
                for i in range(3):
                    for j in range(3):
                        row, column = y + i - 1, x + j - 1
                        if 0 <= row < 6 and 0 <= column < 6:
                            total += image[row * 6 + column] * kernel[channel * 9 + i * 3 + j]
                normal = (total - mean[channel]) / sqrt(variance[channel] + epsilon)
                plane[y, x] = max(0.0, normal * scale[channel] + shift[channel])
        features += [max(plane[2 * y + i, 2 * x + j] for i in range(2) for j in range(2))
                     for y in range(3) for x in range(3)]
    logits = [offset[k] + sum(weight[k * 18 + i] * features[i] for i in range(18)) for k in range(classes)]
    powers = [exp(logit) for logit in logits]
    c.write(path, "probabilities", [1, 1, 6, 6], image, [1, classes], [p / sum(powers) for p in powers])


def lstm(path):
    """A sequence [5, N, 3] -> the squashed last hidden state [1, N, 4]."""
    steps, inputs, hidden = 5, 3, 4
    c = Checkpoint("small-lstm", [steps, "N", inputs])
    w = c.constant("lstm.w", [1, 4 * hidden, inputs])
    r = c.constant("lstm.r", [1, 4 * hidden, hidden])
    b = c.constant("lstm.b", [1, 8 * hidden])
    c.node("LSTM", 22, ["input", "lstm.w", "lstm.r", "lstm.b"], "sequence", "last", hidden_size=hidden)
    c.node("Tanh", 13, ["last"], "squashed")

    def sigmoid(x):
        return 1 / (1 + exp(-x))

    sequence = c.random(steps * inputs)
    h, cell = [0.0] * hidden, [0.0] * hidden
    for t in range(steps):
        x = sequence[t * inputs:(t + 1) * inputs]
        # Gates in ONNX's order: input, output, forget, cell.
        gates = [sum(w[g * inputs + i] * x[i] for i in range(inputs)) + sum(r[g * hidden + i] * h[i] for i in range(hidden))
                 + b[g] + b[4 * hidden + g] for g in range(4 * hidden)]
        for i in range(hidden):
            forget, candidate = sigmoid(gates[2 * hidden + i]), tanh(gates[3 * hidden + i])
            cell[i] = forget * cell[i] + sigmoid(gates[i]) * candidate
        h = [sigmoid(gates[hidden + i]) * tanh(cell[i]) for i in range(hidden)]
    c.write(path, "squashed", [steps, 1, inputs], sequence, [1, 1, hidden], [tanh(value) for value in h])


def linear(path):
    """[N, 1, 28, 28] -> logits [N, 10], and 200 images to try it with."""
    pixels, classes, images = 28 * 28, 10, 200
    c = Checkpoint("linear", ["N", 1, 28, 28])
    weight, bias = c.constant("weight", [classes, pixels]), c.constant("bias", [classes])
    c.node("Flatten", 21, ["input"], "flatten", axis=1)
    c.node("Gemm", 13, ["flatten", "weight", "bias"], "logits", transB=1)

    content = bytes(int(value) for value in c.random(images * pixels, 0.0, 255.99))
    logits = array("f")
    for image in range(images):
        x = [value / 255 for value in content[image * pixels:(image + 1) * pixels]]
        for k in range(classes):
            logits.append(bias[k] + sum(w * v for w, v in zip(weight[k * pixels:(k + 1) * pixels], x)))
    c.write(path, "logits", [1, 1, 28, 28], [value / 255 for value in content[:pixels]], [1, classes], logits[:classes])
    best = bytes(max(range(classes), key=lambda k: logits[image * classes + k]) for image in range(images))
    path.with_name("images.idx").write_bytes(struct.pack(">IIII", 0x803, images, 28, 28) + content)
    path.with_name("labels.idx").write_bytes(struct.pack(">II", 0x801, images) + best)
    if sys.byteorder == "big":
        logits.byteswap()
    path.with_name("logits.f32").write_bytes(logits.tobytes())


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    convolution(folder / "convolution.safetensors")
    lstm(folder / "lstm.safetensors")
    linear(folder / "linear.safetensors")
