"""Makers of random single-operator models: each draws shapes, element types, attributes and operands of one operator.

A maker takes a `Draw` and returns `Case(operator, inputs, attributes)`; inputs are arrays, or None for those left out. What an
operator set before the drawn one writes as an attribute (axes of Squeeze, pads of Pad ...) the maker writes so.
"""

from dataclasses import dataclass, field

import numpy as np

MAKERS = {}


@dataclass
class Case:
    operator: str
    inputs: list
    attributes: dict = field(default_factory=dict)
    outputs: int = 1
    # Inputs that have to be constants for the reference, or that exporters only write so.
    constants: tuple = ()
    domain: str = ""
    # Steps by which quantized results may differ: rounding of intermediate values is the implementation's.
    steps: int = 0


class Draw:
    """Random choices; `opset` is the operator set that the case is for."""

    def __init__(self, seed, opset):
        self.random = np.random.default_rng(seed)
        self.opset = opset

    def integer(self, low, high):
        """low ... high, both included."""
        return int(self.random.integers(low, high + 1))

    def chance(self, probability=0.5):
        return bool(self.random.random() < probability)

    def choice(self, options):
        return options[self.integer(0, len(options) - 1)]

    def shape(self, low=1, high=4, most=6, least=1):
        return [self.integer(least, most) for _ in range(self.integer(low, high))]

    def floats(self, shape, dtype=np.float32, low=-3.0, high=3.0):
        return self.random.uniform(low, high, shape).astype(dtype)

    def integers(self, shape, low=-9, high=9, dtype=np.int64):
        return self.random.integers(low, high + 1, shape).astype(dtype)

    def array(self, shape, kinds="fd"):
        """f float32, d float64, h float16, i int32, l int64, b uint8, s int8."""
        kind = self.choice(kinds)
        if kind in "fdh":
            return self.floats(shape, {"f": np.float32, "d": np.float64, "h": np.float16}[kind])
        dtype = {"i": np.int32, "l": np.int64, "b": np.uint8, "s": np.int8}[kind]
        return self.integers(shape, 0 if kind == "b" else -9, 9, dtype)

    def axis(self, rank):
        """An axis of so many, sometimes counted from the end."""
        axis = self.integer(0, rank - 1)
        return axis - rank if self.opset >= 11 and self.chance(0.3) else axis

    def axes(self, rank):
        count = self.integer(1, rank)
        axes = sorted(int(a) for a in self.random.permutation(rank)[:count])
        return [a - rank for a in axes] if self.opset >= 11 and self.chance(0.3) else axes

    def broadcastable(self, shape):
        """A shape that broadcasts with `shape`: leading extents left out, some extents 1."""
        kept = shape[self.integer(0, len(shape)):]
        return [1 if self.chance(0.3) else extent for extent in kept]


def maker(*names):
    def register(function):
        for name in names:
            MAKERS[name] = (lambda draw, name=name: function(draw, name))
        return function
    return register


def i64(*values):
    return np.array(values, np.int64)


@maker("Abs", "Ceil", "Floor", "Exp", "Neg", "Relu", "Sigmoid", "Tanh", "Sin", "Cos", "Atan", "Sinh", "Erf", "Softsign", "Softplus",
       "Sign", "Round", "Identity", "Elu", "Selu", "LeakyRelu", "HardSigmoid", "ThresholdedRelu", "HardSwish", "Mish", "Celu",
       "IsNaN", "Not", "Reciprocal", "Sqrt", "Log", "Asinh", "Acosh", "Atanh", "Asin", "Acos", "Tan", "Gelu")
def unary(draw, name):
    since = {"Erf": 9, "Sign": 9, "Round": 11, "HardSwish": 14, "Mish": 18, "Celu": 12, "IsNaN": 9, "ThresholdedRelu": 10,
             "Sinh": 9, "Asinh": 9, "Acosh": 9, "Atanh": 9, "Gelu": 20}
    if draw.opset < since.get(name, 7):
        return None
    shape = draw.shape(0, 4)
    x = draw.floats(shape)
    if name in ("Sqrt", "Log", "Reciprocal"):
        x = np.abs(x) + np.float32(0.1)
    if name == "Acosh":
        x = np.abs(x) + np.float32(1.01)
    if name in ("Atanh", "Asin", "Acos"):
        x = x / np.float32(3.1)
    if name == "Not":
        x = x > 0
    if name == "Round":
        x = np.round(x * 2).astype(np.float32) / np.float32(2)
    if name == "IsNaN":
        x = np.where(x > 1, np.float32(np.nan), x)
    attributes = {}
    if name in ("Elu", "LeakyRelu", "ThresholdedRelu", "Celu") and draw.chance():
        attributes["alpha"] = draw.choice([0.1, 0.5, 1.5])
    if name == "HardSigmoid" and draw.chance():
        attributes.update(alpha=0.3, beta=0.4)
    if name == "Selu" and draw.chance():
        attributes.update(alpha=1.2, gamma=0.9)
    if name == "Gelu" and draw.chance():
        attributes["approximate"] = "tanh"
    return Case(name, [np.asarray(x)], attributes)


@maker("Add", "Sub", "Mul", "Div", "Pow", "Less", "Greater", "Equal", "And", "Or", "Xor", "PRelu", "Mod", "BitShift", "LessOrEqual",
       "GreaterOrEqual")
def binary(draw, name):
    since = {"Mod": 10, "BitShift": 11, "LessOrEqual": 12, "GreaterOrEqual": 12}
    if draw.opset < since.get(name, 7):
        return None
    shape = draw.shape(1, 4)
    other = draw.broadcastable(shape)
    if draw.chance(0.2) and name != "PRelu":
        shape, other = other, shape
    if name in ("And", "Or", "Xor"):
        return Case(name, [draw.floats(shape) > 0, draw.floats(other) > 0])
    if name == "BitShift":
        return Case(name, [draw.integers(shape, 0, 99, np.uint32), draw.integers(other, 0, 7, np.uint32)],
                    {"direction": draw.choice(["LEFT", "RIGHT"])})
    kinds = "f" if name in ("Pow", "PRelu") else "il" if draw.opset < 9 and name == "Equal" else "fl" if name in (
        "Less", "Greater", "Equal") and draw.opset >= 9 else "f" if name in ("Less", "Greater") else "fil"
    a = draw.array(shape, kinds)
    b = draw.array(other, kinds).astype(a.dtype)
    if name in ("Div", "Mod") and a.dtype.kind == "i":
        b = np.where(b == 0, 3, b).astype(a.dtype)
    if name == "Pow":
        a = np.abs(a) + np.float32(0.1)
    attributes = {"fmod": 1} if name == "Mod" and a.dtype.kind == "f" else {}
    if name == "Mod" and a.dtype.kind == "f":
        b = np.where(np.abs(b) < 0.1, np.float32(1), b)
    return Case(name, [a, b], attributes)


@maker("Max", "Min", "Sum", "Mean")
def variadic(draw, name):
    shape = draw.shape(1, 3)
    inputs = [draw.floats(shape)]
    for _ in range(draw.integer(0, 3)):
        inputs.append(draw.floats(draw.broadcastable(shape) if draw.opset >= 8 else shape))
    return Case(name, inputs)


@maker("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum",
       "ReduceLogSumExp")
def reduction(draw, name):
    shape = draw.shape(1, 4)
    kinds = "fi" if name in ("ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd") else "f"
    x = draw.array(shape, kinds)
    if name == "ReduceLogSum":
        x = np.abs(x) + np.float32(0.1)
    axes = draw.axes(len(shape)) if draw.chance(0.8) else None
    attributes = {"keepdims": draw.integer(0, 1)} if draw.chance(0.7) else {}
    inputs = [x]
    if axes is not None:
        if draw.opset >= (13 if name == "ReduceSum" else 18):
            inputs.append(i64(*axes))
        else:
            attributes["axes"] = axes
    return Case(name, inputs, attributes, constants=(1,))


@maker("ArgMax", "ArgMin")
def arg_reduction(draw, name):
    shape = draw.shape(1, 4)
    x = draw.floats(shape)
    attributes = {"axis": draw.axis(len(shape)), "keepdims": draw.integer(0, 1)}
    if draw.opset >= 12 and draw.chance():
        attributes["select_last_index"] = 1
        x = np.round(x).astype(np.float32)
    return Case(name, [x], attributes)


@maker("Softmax", "LogSoftmax", "Hardmax")
def softmax(draw, name):
    shape = draw.shape(1, 4)
    attributes = {"axis": draw.axis(len(shape))} if draw.chance(0.8) else {}
    if draw.opset < 13 and not attributes and len(shape) < 2:
        return None
    return Case(name, [draw.floats(shape)], attributes)


@maker("Transpose")
def transpose(draw, name):
    shape = draw.shape(1, 5)
    attributes = {"perm": [int(a) for a in draw.random.permutation(len(shape))]} if draw.chance(0.9) else {}
    return Case(name, [draw.array(shape, "fdilbs")], attributes)


@maker("Concat")
def concat(draw, name):
    shape = draw.shape(1, 4)
    axis = draw.axis(len(shape))
    first = draw.array(shape, "fil")
    inputs = [first]
    for _ in range(draw.integer(0, 3)):
        part = list(shape)
        part[axis] = draw.integer(0 if draw.chance(0.1) else 1, 5)
        inputs.append(draw.array(part, "fil").astype(first.dtype))
    return Case(name, inputs, {"axis": axis})


@maker("Split")
def split(draw, name):
    shape = draw.shape(1, 4)
    axis = draw.axis(len(shape))
    parts = draw.integer(1, 3)
    sizes = [draw.integer(1, 4) for _ in range(parts)]
    shape[axis] = sum(sizes)
    x = draw.array(shape, "fil")
    if draw.opset >= 13:
        return Case(name, [x, i64(*sizes)], {"axis": axis}, parts, (1,))
    return Case(name, [x], {"axis": axis, "split": sizes}, parts)


@maker("Slice")
def slicing(draw, name):
    shape = draw.shape(1, 4)
    axes = draw.axes(len(shape))
    starts, ends, steps = [], [], []
    for axis in axes:
        extent = shape[axis]
        starts.append(draw.integer(-extent - 1, extent + 1))
        ends.append(draw.choice([draw.integer(-extent - 1, extent + 1), 2**31 - 1]))
        steps.append(draw.choice([1, 1, 2, 3]))
    x = draw.array(shape, "fil")
    if draw.opset < 10:
        return Case(name, [x], {"axes": axes, "starts": starts, "ends": ends})
    for index in range(len(axes)):
        if draw.chance(0.3):
            steps[index] = -steps[index]
            if ends[index] > 2**30:
                ends[index] = -(2**31)
    return Case(name, [x, i64(*starts), i64(*ends), i64(*axes), i64(*steps)], constants=(1, 2, 3, 4))


@maker("Squeeze", "Unsqueeze")
def squeezing(draw, name):
    shape = draw.shape(1, 3)
    if name == "Squeeze":
        axis = draw.integer(0, len(shape) - 1)
        shape[axis] = 1
        axes = [axis]
    else:
        axes = sorted({draw.integer(0, len(shape)) for _ in range(draw.integer(1, 2))})
    x = draw.array(shape, "fil")
    if draw.opset >= 13:
        return Case(name, [x, i64(*axes)], constants=(1,))
    return Case(name, [x], {"axes": axes})


@maker("Reshape")
def reshape(draw, name):
    shape = draw.shape(1, 4)
    target = [int(e) for e in draw.random.permutation(shape)]
    if draw.chance():
        target[draw.integer(0, len(target) - 1)] = -1
    elif draw.chance():
        target = [0] + [int(e) for e in draw.random.permutation(shape[1:])]
    return Case(name, [draw.array(shape, "fil"), i64(*target)], constants=(1,) if draw.chance() else ())


@maker("Flatten")
def flatten(draw, name):
    shape = draw.shape(1, 4)
    low = -len(shape) if draw.opset >= 11 else 0
    return Case(name, [draw.floats(shape)], {"axis": draw.integer(low, len(shape))})


@maker("Expand")
def expand(draw, name):
    if draw.opset < 8:
        return None
    target = draw.shape(1, 4)
    return Case(name, [draw.array(draw.broadcastable(target), "fil"), i64(*target)], constants=(1,))


@maker("Tile")
def tile(draw, name):
    shape = draw.shape(1, 4, 4)
    return Case(name, [draw.array(shape, "fil"), i64(*[draw.integer(1, 3) for _ in shape])], constants=(1,))


@maker("Gather", "GatherElements", "GatherND")
def gather(draw, name):
    if name != "Gather" and draw.opset < 11:
        return None
    shape = draw.shape(1, 4)
    axis = draw.axis(len(shape))
    x = draw.array(shape, "fil")
    negative = draw.opset >= 11
    if name == "Gather":
        indices = draw.integers(draw.shape(0, 2, 4), -shape[axis] if negative else 0, shape[axis] - 1, draw.choice([np.int32, np.int64]))
        return Case(name, [x, indices], {"axis": axis})
    if name == "GatherElements":
        # The reference takes index extents up to those of the data only.
        extents = [draw.integer(1, e) for e in shape]
        return Case(name, [x, draw.integers(extents, -shape[axis], shape[axis] - 1)], {"axis": axis})
    depth = draw.integer(1, len(shape))
    rows = draw.shape(0, 2, 3) + [depth]
    indices = np.zeros(rows, np.int64)
    for column in range(depth):
        indices[..., column] = draw.integers(rows[:-1], 0, shape[column] - 1)
    return Case(name, [x, indices])


@maker("ScatterElements", "ScatterND")
def scatter(draw, name):
    if draw.opset < 11:
        return None
    shape = draw.shape(1, 3)
    x = draw.floats(shape)
    attributes = {}
    if name == "ScatterElements":
        axis = draw.axis(len(shape))
        attributes["axis"] = axis
        extents = [draw.integer(1, e) for e in shape]
        # Each place at most once unless the updates are combined: else their order would decide.
        order = np.argsort(draw.floats(extents), axis=axis)
        if draw.opset >= 16 and draw.chance():
            attributes["reduction"] = draw.choice(["add", "mul"] if draw.opset < 18 else ["add", "mul", "max", "min"])
            order = draw.integers(extents, -shape[axis], shape[axis] - 1)
        return Case(name, [x, order.astype(np.int64), draw.floats(extents)], attributes)
    rows = draw.integer(1, shape[0])
    indices = draw.random.permutation(shape[0])[:rows].astype(np.int64).reshape(rows, 1)
    return Case(name, [x, indices, draw.floats([rows] + shape[1:])])


@maker("Where")
def where(draw, name):
    if draw.opset < 9:
        return None
    shape = draw.shape(1, 4)
    x = draw.array(draw.broadcastable(shape), "fl")
    return Case(name, [draw.floats(draw.broadcastable(shape)) > 0, x, draw.array(shape, "fl").astype(x.dtype)])


@maker("Pad")
def pad(draw, name):
    shape = draw.shape(1, 4, least=3)
    mode = draw.choice(["constant", "reflect", "edge"] + (["wrap"] if draw.opset >= 19 else []))
    if mode == "reflect" and len(shape) == 1:
        mode = "edge"
    low = -1 if mode == "constant" else 0
    pads = [draw.integer(low, 2) for _ in range(2 * len(shape))]
    x = draw.floats(shape)
    if draw.opset < 11:
        return Case(name, [x], {"mode": mode, "pads": pads, "value": 1.5})
    inputs = [x, i64(*pads)]
    if mode == "constant" and draw.chance():
        inputs.append(np.array(2.5, np.float32))
    return Case(name, inputs, {"mode": mode}, constants=(1,))


@maker("Clip")
def clip(draw, name):
    x = draw.floats(draw.shape(0, 3))
    if draw.opset < 11:
        return Case(name, [x], {"min": -1.0, "max": 0.5} if draw.chance() else {"max": 0.5})
    return Case(name, [x, np.array(-1, np.float32) if draw.chance(0.7) else None, np.array(0.5, np.float32)])


@maker("Cast")
def cast(draw, name):
    x = draw.array(draw.shape(0, 3), "fdhilbs")
    kinds = {1: "f", 11: "d", 10: "h", 6: "i", 7: "l", 3: "s", 9: "bool"}
    target = draw.choice(list(kinds))
    if target == 3 and x.dtype.kind == "f":
        target = 6
    return Case(name, [x], {"to": target})


@maker("CumSum")
def cumsum(draw, name):
    if draw.opset < 11:
        return None
    shape = draw.shape(1, 4)
    return Case(name, [draw.floats(shape), np.array(draw.axis(len(shape)), np.int64)],
                {"exclusive": draw.integer(0, 1), "reverse": draw.integer(0, 1)}, constants=(1,))


@maker("TopK")
def topk(draw, name):
    shape = draw.shape(1, 3, 8)
    axis = draw.axis(len(shape))
    k = draw.integer(1, shape[axis])
    x = draw.random.permutation(int(np.prod(shape))).astype(np.float32).reshape(shape)
    if draw.opset < 10:
        return Case(name, [x], {"axis": axis, "k": k}, 2)
    attributes = {"axis": axis}
    if draw.opset >= 11 and draw.chance():
        attributes["largest"] = 0
    return Case(name, [x, i64(k)], attributes, 2, (1,))


@maker("OneHot")
def onehot(draw, name):
    if draw.opset < 11:
        return None
    shape = draw.shape(1, 3)
    depth = draw.integer(2, 6)
    return Case(name, [draw.integers(shape, -depth, depth - 1), i64(depth), np.array([-1, 2], np.float32)],
                {"axis": draw.integer(-1, len(shape))}, constants=(1,))


@maker("Trilu")
def trilu(draw, name):
    if draw.opset < 14:
        return None
    return Case(name, [draw.floats(draw.shape(2, 4)), np.array(draw.integer(-4, 4), np.int64)], {"upper": draw.integer(0, 1)})


@maker("DepthToSpace", "SpaceToDepth")
def depth_space(draw, name):
    block = draw.integer(1, 3)
    n, c, h, w = draw.integer(1, 2), draw.integer(1, 3), draw.integer(1, 4), draw.integer(1, 4)
    if name == "SpaceToDepth":
        return Case(name, [draw.floats([n, c, h * block, w * block])], {"blocksize": block})
    attributes = {"blocksize": block}
    if draw.opset >= 11 and draw.chance():
        attributes["mode"] = "CRD"
    return Case(name, [draw.floats([n, c * block * block, h, w])], attributes)


@maker("MatMul")
def matmul(draw, name):
    m, k, n = draw.integer(1, 40), draw.integer(1, 70), draw.integer(1, 40)
    batch = draw.shape(0, 2, 3)
    kinds = "fd" if draw.opset < 9 else "fdil"
    a = draw.array(([1 if draw.chance(0.3) else e for e in batch]) + [m, k], kinds)
    b = draw.array(draw.broadcastable(batch) + [k, n] if batch else [k, n], kinds).astype(a.dtype)
    if not batch and draw.chance(0.2):
        a = a[0]
    elif not batch and draw.chance(0.2):
        b = b[:, 0]
    return Case(name, [a, b])


@maker("Gemm")
def gemm(draw, name):
    m, k, n = draw.integer(1, 40), draw.integer(1, 70), draw.integer(1, 40)
    attributes = {"transA": draw.integer(0, 1), "transB": draw.integer(0, 1)}
    if draw.chance():
        attributes.update(alpha=0.5, beta=1.5)
    a = draw.floats([k, m] if attributes["transA"] else [m, k])
    b = draw.floats([n, k] if attributes["transB"] else [k, n])
    c = draw.choice([[n], [m, n], [1, n], [m, 1], [1]])
    inputs = [a, b, draw.floats(c)]
    if draw.opset >= 11 and draw.chance(0.2):
        inputs.pop()
    return Case(name, inputs, attributes)


def window(draw, axes, extents, transposed=False):
    """kernel_shape, strides, dilations, pads of a window that fits into the padded input."""
    attributes = {}
    kernel = [draw.integer(1, 4) for _ in range(axes)]
    strides = [draw.integer(1, 3) for _ in range(axes)]
    dilations = [draw.integer(1, 2) if draw.chance(0.3) else 1 for _ in range(axes)]
    if draw.chance(0.3):
        attributes["auto_pad"] = draw.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])
        if attributes["auto_pad"] != "VALID":
            dilations = [1] * axes
            strides = [min(pair) for pair in zip(strides, kernel)]
    else:
        pads = [draw.integer(0, k - 1) for k in kernel] + [draw.integer(0, k - 1) for k in kernel]
        attributes["pads"] = pads
    if not transposed:
        for axis in range(axes):
            reach = (kernel[axis] - 1) * dilations[axis] + 1
            extents[axis] = max(extents[axis], reach)
    attributes.update(strides=strides, dilations=dilations)
    return kernel, attributes


@maker("Conv")
def conv(draw, name):
    axes = draw.choice([1, 2, 2, 2, 2, 3])
    extents = [draw.integer(1, 14 if axes < 3 else 7) for _ in range(axes)]
    kernel, attributes = window(draw, axes, extents)
    groups = draw.choice([1, 1, 1, 2, 3])
    each_in, each_out = draw.choice([1, 2, 3, 5, 16]), draw.choice([1, 2, 4, 7, 33])
    if draw.chance(0.2):
        groups, each_in, each_out = draw.integer(2, 40), 1, draw.choice([1, 1, 2])
    if draw.chance(0.3):
        kernel = [3] * axes
        attributes["strides"] = attributes["dilations"] = [1] * axes
        if "pads" in attributes:
            attributes["pads"] = [1] * (2 * axes)
        extents = [max(e, 3) for e in extents]
    x = draw.floats([draw.integer(1, 2), groups * each_in] + extents)
    w = draw.floats([groups * each_out, each_in] + kernel)
    inputs = [x, w] + ([draw.floats([groups * each_out])] if draw.chance() else [])
    return Case(name, inputs, {**attributes, "group": groups, "kernel_shape": kernel})


@maker("ConvTranspose")
def conv_transpose(draw, name):
    axes = draw.choice([1, 2, 2, 3])
    extents = [draw.integer(1, 6) for _ in range(axes)]
    kernel, attributes = window(draw, axes, extents, transposed=True)
    if "auto_pad" in attributes:
        attributes.pop("auto_pad")
    for axis in range(axes):  # an output of at least one element
        if "pads" in attributes and (extents[axis] - 1) * attributes["strides"][axis] + kernel[axis] <= (
                attributes["pads"][axis] + attributes["pads"][axis + axes]):
            return None
    if draw.chance(0.3):
        attributes["output_padding"] = [draw.integer(0, s - 1) for s in attributes["strides"]]
    groups = draw.choice([1, 1, 2])
    each_in, each_out = draw.choice([1, 2, 3, 8]), draw.choice([1, 2, 5, 17])
    x = draw.floats([draw.integer(1, 2), groups * each_in] + extents)
    w = draw.floats([groups * each_in, each_out] + kernel)
    return Case(name, [x, w] + ([draw.floats([groups * each_out])] if draw.chance() else []), {**attributes, "group": groups})


@maker("MaxPool", "AveragePool", "LpPool")
def pool(draw, name):
    axes = draw.choice([1, 2, 2, 3])
    extents = [draw.integer(1, 12) for _ in range(axes)]
    kernel, attributes = window(draw, axes, extents)
    allowed = {"MaxPool": 10, "AveragePool": 19, "LpPool": 18}[name]
    if draw.opset < allowed:
        attributes.pop("dilations")
        for axis in range(axes):
            extents[axis] = max(extents[axis], kernel[axis])
    if draw.opset >= {"MaxPool": 10, "AveragePool": 10, "LpPool": 18}[name] and draw.chance() and "auto_pad" not in attributes:
        attributes["ceil_mode"] = 1
    if name == "AveragePool" and draw.chance():
        attributes["count_include_pad"] = 1
    if name == "LpPool":
        attributes["p"] = draw.integer(1, 3)
    return Case(name, [draw.floats([draw.integer(1, 2), draw.choice([1, 3, 17])] + extents)], {**attributes, "kernel_shape": kernel})


@maker("GlobalAveragePool", "GlobalMaxPool")
def global_pool(draw, name):
    return Case(name, [draw.floats([draw.integer(1, 2), draw.integer(1, 20)] + draw.shape(1, 3))])


@maker("BatchNormalization")
def batch_norm(draw, name):
    shape = draw.shape(2, 4)
    c = shape[1]
    attributes = {"epsilon": draw.choice([1e-5, 1e-3])}
    return Case(name, [draw.floats(shape), draw.floats([c]), draw.floats([c]), draw.floats([c]), draw.floats([c], low=0.1)], attributes)


@maker("InstanceNormalization")
def instance_norm(draw, name):
    shape = draw.shape(3, 4, least=2)
    return Case(name, [draw.floats(shape), draw.floats([shape[1]]), draw.floats([shape[1]])], {"epsilon": 1e-3})


@maker("LayerNormalization")
def layer_norm(draw, name):
    if draw.opset < 17:
        return None
    shape = draw.shape(1, 4, least=2)
    axis = draw.axis(len(shape))
    tail = shape[axis:]
    return Case(name, [draw.floats(shape), draw.floats(tail)] + ([draw.floats(tail)] if draw.chance() else []),
                {"axis": axis, "epsilon": 1e-2})


@maker("LRN")
def lrn(draw, name):
    return Case(name, [draw.floats([draw.integer(1, 2), draw.integer(1, 9)] + draw.shape(2, 2))],
                {"size": draw.choice([1, 3, 5]), "alpha": 0.1, "bias": 1.5})


@maker("LpNormalization")
def lp_norm(draw, name):
    shape = draw.shape(1, 3, least=2)
    return Case(name, [draw.floats(shape)], {"axis": draw.choice([-1, draw.integer(0, len(shape) - 1)]), "p": draw.integer(1, 2)})


@maker("LSTM", "GRU", "RNN")
def recurrent(draw, name):
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[name]
    direction = draw.choice(["forward", "reverse", "bidirectional"])
    ways = 2 if direction == "bidirectional" else 1
    t, b, i, h = draw.integer(1, 6), draw.integer(1, 3), draw.integer(1, 9), draw.integer(1, 20)
    inputs = [draw.floats([t, b, i]), draw.floats([ways, gates * h, i], low=-1, high=1), draw.floats([ways, gates * h, h], low=-1, high=1)]
    inputs.append(draw.floats([ways, 2 * gates * h]) if draw.chance(0.7) else None)
    inputs.append(draw.integers([b], 1, t, np.int32) if draw.chance(0.3) else None)
    if draw.chance():
        inputs.append(draw.floats([ways, b, h]))
        if name == "LSTM":
            inputs.append(draw.floats([ways, b, h]))
            if draw.chance(0.3):
                inputs.append(draw.floats([ways, 3 * h]))
    attributes = {"direction": direction, "hidden_size": h}
    if name == "GRU" and draw.chance():
        attributes["linear_before_reset"] = 1
    while inputs[-1] is None:
        inputs.pop()
    return Case(name, inputs, attributes, 3 if name == "LSTM" else 2)


@maker("Resize")
def resize(draw, name):
    if draw.opset < 11:
        return None
    shape = [draw.integer(1, 2), draw.integer(1, 3), draw.integer(2, 8), draw.integer(2, 8)]
    mode = draw.choice(["nearest", "linear", "cubic"])
    attributes = {"mode": mode,
                  "coordinate_transformation_mode": draw.choice(["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"])}
    if mode == "nearest":
        attributes["nearest_mode"] = draw.choice(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
    if mode == "cubic" and draw.chance():
        attributes.update(cubic_coeff_a=-0.5, exclude_outside=draw.integer(0, 1))
    x = draw.floats(shape)
    if draw.chance():
        scales = np.array([1, 1, draw.choice([0.5, 1.5, 2, 3]), draw.choice([0.6, 1, 2, 2.5])], np.float32)
        return Case(name, [x, np.zeros([0], np.float32) if draw.opset < 13 else None, scales], attributes, constants=(1, 2))
    sizes = i64(shape[0], shape[1], draw.integer(1, 15), draw.integer(1, 15))
    empty = np.zeros([0], np.float32) if draw.opset < 13 else None
    return Case(name, [x, empty, empty, sizes], attributes, constants=(1, 2, 3))


@maker("QuantizeLinear", "DequantizeLinear")
def quantize(draw, name):
    if draw.opset < 10:
        return None
    shape = draw.shape(1, 4)
    attributes, extent = {}, []
    if draw.opset >= 13 and draw.chance():
        axis = draw.axis(len(shape))
        attributes["axis"], extent = axis, [shape[axis]]
    scale = draw.floats(extent, low=0.02, high=0.1)
    dtype = draw.choice([np.uint8, np.int8])
    zero = draw.integers(extent, 100 if dtype is np.uint8 else -9, 140 if dtype is np.uint8 else 9, dtype)
    if name == "QuantizeLinear":
        return Case(name, [draw.floats(shape, high=5), np.asarray(scale), np.asarray(zero)], attributes)
    return Case(name, [draw.integers(shape, 0, 120, dtype), np.asarray(scale), np.asarray(zero)], attributes)


@maker("DynamicQuantizeLinear")
def dynamic_quantize(draw, name):
    return Case(name, [draw.floats(draw.shape(1, 3))], outputs=3) if draw.opset >= 11 else None


@maker("MatMulInteger")
def matmul_integer(draw, name):
    if draw.opset < 10:
        return None
    m, k, n = draw.integer(1, 20), draw.integer(1, 50), draw.integer(1, 20)
    b = draw.integers([k, n], 0, 100, draw.choice([np.uint8, np.int8]))
    inputs = [draw.integers([m, k], 0, 255, np.uint8), b]
    if draw.chance():
        inputs += [np.array(120, np.uint8), np.array(7, b.dtype)]
    return Case(name, inputs)


@maker("Einsum")
def einsum(draw, name):
    if draw.opset < 12:
        return None
    e = {letter: draw.integer(1, 5) for letter in "abcde"}
    equation = draw.choice(["ab,bc->ac", "abc,acd->abd", "abc,abd->acd", "ab->ba", "ab,ab->", "abc->ac", "abcd,abed->abce", "ab,c->abc"])
    terms = equation.split("->")[0].split(",")
    return Case(name, [draw.floats([e[x] for x in term]) for term in terms], {"equation": equation})


@maker("NonZero")
def nonzero(draw, name):
    return Case(name, [np.round(draw.floats(draw.shape(1, 3), high=1)).astype(np.float32)]) if draw.opset >= 9 else None


@maker("Compress")
def compress(draw, name):
    if draw.opset < 9:
        return None
    shape = draw.shape(1, 3)
    if draw.chance(0.3):
        return Case(name, [draw.floats(shape), draw.floats([int(np.prod(shape))]) > 0])
    axis = draw.axis(len(shape))
    return Case(name, [draw.floats(shape), draw.floats([draw.integer(1, shape[axis])]) > 0], {"axis": axis})


@maker("GridSample")
def grid_sample(draw, name):
    if draw.opset < 16:
        return None
    # No bicubic before 20: the reference does not know that name, and ONNX Runtime departs from it at the border.
    modes = ["bilinear", "nearest"] if draw.opset < 20 else ["linear", "nearest", "cubic"]
    x = draw.floats([1, draw.integer(1, 3), draw.integer(2, 6), draw.integer(2, 6)])
    return Case(name, [x, draw.floats([1, draw.integer(1, 5), draw.integer(1, 5), 2], low=-1.3, high=1.3)],
                {"mode": draw.choice(modes), "padding_mode": draw.choice(["zeros", "border", "reflection"]), "align_corners": draw.integer(0, 1)})


@maker("ReverseSequence")
def reverse_sequence(draw, name):
    if draw.opset < 10:
        return None
    t, b = draw.integer(1, 6), draw.integer(1, 4)
    time_first = draw.chance()
    return Case(name, [draw.floats([t, b, 2] if time_first else [b, t, 2]), draw.integers([b], 1, t)],
                {"time_axis": 0 if time_first else 1, "batch_axis": 1 if time_first else 0})


@maker("Range")
def ranges(draw, name):
    if draw.opset < 11:
        return None
    start, delta = draw.integer(-5, 5), draw.choice([-2, -1, 1, 3])
    return Case(name, [np.array(v, np.int64) for v in (start, start + delta * draw.integer(0, 6) + draw.integer(0, 1), delta)],
                constants=(0, 1, 2))


@maker("Shape", "Size")
def shape_of(draw, name):
    attributes = {"start": draw.integer(-3, 3), "end": draw.integer(-3, 3)} if name == "Shape" and draw.opset >= 15 and draw.chance() else {}
    return Case(name, [draw.floats(draw.shape(1, 4))], attributes)


@maker("GroupNormalization")
def group_norm(draw, name):
    if draw.opset < 21:
        return None
    groups, each = draw.integer(1, 3), draw.integer(1, 4)
    c = groups * each
    return Case(name, [draw.floats([2, c] + draw.shape(1, 2)), draw.floats([c]), draw.floats([c])], {"num_groups": groups, "epsilon": 1e-3})


@maker("MeanVarianceNormalization")
def mvn(draw, name):
    return Case(name, [draw.floats(draw.shape(4, 4, least=2))], {"axes": [0, 2, 3]}) if draw.opset >= 9 else None
