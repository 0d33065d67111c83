"""Recurrent networks, an encoder of BERT's kind and a decoder of GPT-2's kind, as PyTorch's exporter writes them."""

import numpy as np
from onnx import TensorProto

from .builder import Builder

EXPORTED_OPSET = 14  # below 17, so that layer normalization is written out in simple operators


def recurrent(seed, operator, gates, name, features, hidden, layers, steps):
    """torch.nn.LSTM or GRU: [steps, N, features] in, all hidden states of the last layer out; starts from zeros."""
    b = Builder(name, seed, EXPORTED_OPSET)
    x = b.input("input", [steps, 1, features])
    zeros = b.constant(np.zeros((1, 1, hidden)), np.float32)
    for _ in range(layers):
        w = b.weight((1, gates * hidden, features), np.sqrt(0.5 / features))
        r = b.weight((1, gates * hidden, hidden), np.sqrt(0.5 / hidden))
        bias = b.weight((1, 2 * gates * hidden), 0.02)
        if operator == "LSTM":
            y, _, _ = b.node("LSTM", [x, w, r, bias, "", zeros, zeros], 3, hidden_size=hidden)
        else:
            y, _ = b.node("GRU", [x, w, r, bias, "", zeros], 2, hidden_size=hidden, linear_before_reset=1)
        x, features = b.node("Squeeze", [y, b.integers(1)]), hidden
    b.output(x, [steps, 1, hidden], "output")
    return b


def lstm(seed):
    return recurrent(seed, "LSTM", 4, "lstm_2x512", 256, 512, 2, 100)


def gru(seed):
    return recurrent(seed, "GRU", 3, "gru_2x256", 128, 256, 2, 100)


def layer_norm(b, x, width, epsilon):
    centered = b.node("Sub", [x, b.node("ReduceMean", [x], axes=[-1])])
    variance = b.node("ReduceMean", [b.node("Pow", [centered, b.scalar(2)])], axes=[-1])
    deviation = b.node("Sqrt", [b.node("Add", [variance, b.scalar(epsilon)])])
    scaled = b.node("Mul", [b.node("Div", [centered, deviation]), b.weight((width,), 0.1, 1.0)])
    return b.node("Add", [scaled, b.weight((width,), 0.1)])


def gelu(b, x):
    erf = b.node("Erf", [b.node("Div", [x, b.scalar(np.sqrt(2))])])
    return b.node("Mul", [b.node("Mul", [x, b.node("Add", [erf, b.scalar(1)])]), b.scalar(0.5)])


def gelu_tanh(b, x):
    cube = b.node("Mul", [b.scalar(0.044715), b.node("Pow", [x, b.scalar(3)])])
    inner = b.node("Mul", [b.node("Add", [x, cube]), b.scalar(np.sqrt(2 / np.pi))])
    return b.node("Mul", [b.node("Mul", [x, b.scalar(0.5)]), b.node("Add", [b.node("Tanh", [inner]), b.scalar(1)])])


def extent(b, x, axis):
    """One extent of a value, as a vector of one: what a trace of x.size(axis) becomes."""
    return b.node("Unsqueeze", [b.node("Gather", [b.node("Shape", [x]), b.constant(axis, np.int64)], axis=0), b.integers(0)])


def view(b, x, *tail):
    """x.view(x.size(0), x.size(1), *tail)."""
    shape = b.node("Concat", [extent(b, x, 0), extent(b, x, 1), *(b.integers(t) for t in tail)], axis=0)
    return b.node("Reshape", [x, shape])


MINILM_WIDTH = 384


def minilm(seed):
    b = Builder("minilm_l6", seed, EXPORTED_OPSET)
    _, states = minilm_states(b)
    b.output(states, ["batch", "sequence", MINILM_WIDTH], "last_hidden_state")
    return b


def minilm_states(b):
    """BERT's encoder with the sizes of MiniLM-L6: 6 layers, 384 wide, 12 heads, vocabulary 30522; batch and length are free.
    Returns the attention mask and the last hidden states."""
    width, heads, inner, epsilon = MINILM_WIDTH, 12, 1536, 1e-12
    ids, mask, types = (b.input(n, ["batch", "sequence"], TensorProto.INT64)
                        for n in ("input_ids", "attention_mask", "token_type_ids"))
    additive = b.node("Unsqueeze", [b.node("Unsqueeze", [mask, b.integers(1)]), b.integers(2)])
    additive = b.node("Sub", [b.scalar(1), b.node("Cast", [additive], to=TensorProto.FLOAT)])
    additive = b.node("Mul", [additive, b.scalar(np.finfo(np.float32).min)])
    positions = b.node("Slice", [b.constant(np.arange(512)[None], np.int64), b.integers(0), extent(b, ids, 1), b.integers(1),
                                 b.integers(1)])
    words, kinds = b.node("Gather", [b.weight((30522, width), 1), ids]), b.node("Gather", [b.weight((2, width), 0.1), types])
    x = b.node("Add", [words, kinds])
    x = b.node("Add", [x, b.node("Gather", [b.weight((512, width), 0.1), positions])])
    x = layer_norm(b, x, width, epsilon)
    for _ in range(6):
        def split(projected, order):
            return b.node("Transpose", [view(b, projected, heads, width // heads)], perm=order)
        q = b.linear(x, width, width)
        k = split(b.linear(x, width, width), [0, 2, 3, 1])
        v = split(b.linear(x, width, width), [0, 2, 1, 3])
        scores = b.node("Div", [b.node("MatMul", [split(q, [0, 2, 1, 3]), k]), b.scalar(np.sqrt(width // heads))])
        weights = b.node("Softmax", [b.node("Add", [scores, additive])], axis=-1)
        context = view(b, b.node("Transpose", [b.node("MatMul", [weights, v])], perm=[0, 2, 1, 3]), width)
        x = layer_norm(b, b.node("Add", [b.linear(context, width, width), x]), width, epsilon)
        y = b.linear(gelu(b, b.linear(x, width, inner)), inner, width)
        x = layer_norm(b, b.node("Add", [y, x]), width, epsilon)
    return mask, x


def decoder(seed, layers=6, width=512, heads=8, vocabulary=8192, context=1024):
    """A decoder of GPT-2's kind with its keys and values given and returned: one token at a time, behind `past` tokens."""
    b = Builder("gpt2_decoder", seed, EXPORTED_OPSET)
    depth, epsilon = width // heads, 1e-5
    ids = b.input("input_ids", ["batch", "sequence"], TensorProto.INT64)
    positions = b.input("position_ids", ["batch", "sequence"], TensorProto.INT64)
    past = [[b.input(f"past_key_values.{i}.{kind}", ["batch", heads, "past", depth]) for kind in ("key", "value")]
            for i in range(layers)]

    def affine(x, inputs, outputs, gain=1.0):
        """transformers' Conv1D: rows, then Gemm with the weights as they are."""
        w, bias = b.weight((inputs, outputs), np.sqrt(gain / inputs)), b.weight((outputs,), 0.05)
        y = b.node("Gemm", [b.node("Reshape", [x, b.integers(-1, inputs)]), w, bias], alpha=1.0, beta=1.0)
        shape = b.node("Concat", [extent(b, x, 0), extent(b, x, 1), b.integers(outputs)], axis=0)
        return b.node("Reshape", [y, shape])

    embedding = b.weight((vocabulary, width), 1)
    x = b.node("Add", [b.node("Gather", [embedding, ids]), b.node("Gather", [b.weight((context, width), 0.1), positions])])
    presents = []
    for i in range(layers):
        qkv = affine(layer_norm(b, x, width, epsilon), width, 3 * width)
        q, k, v = (b.node("Transpose", [view(b, part, heads, depth)], perm=[0, 2, 1, 3])
                   for part in b.node("Split", [qkv, b.integers(width, width, width)], 3, axis=2))
        k, v = (b.node("Concat", [old, new], axis=-2) for old, new in zip(past[i], (k, v)))
        presents += [k, v]
        scores = b.node("Div", [b.node("MatMul", [q, b.node("Transpose", [k], perm=[0, 1, 3, 2])]), b.scalar(np.sqrt(depth))])
        y = b.node("MatMul", [b.node("Softmax", [scores], axis=-1), v])
        y = view(b, b.node("Transpose", [y], perm=[0, 2, 1, 3]), width)
        x = b.node("Add", [affine(y, width, width, 0.5), x])
        y = affine(layer_norm(b, x, width, epsilon), width, 4 * width)
        x = b.node("Add", [x, affine(gelu_tanh(b, y), 4 * width, width, 0.5)])
    x = layer_norm(b, x, width, epsilon)
    b.output(b.node("MatMul", [x, b.weight((width, vocabulary), np.sqrt(1 / width))]), ["batch", "sequence", vocabulary],
             "logits")
    for i in range(layers):
        for kind, value in zip(("key", "value"), presents[2 * i:2 * i + 2]):
            b.output(value, ["batch", heads, "total", depth], f"present.{i}.{kind}")
    return b
