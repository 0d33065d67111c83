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
        kept = shape[self.integer(0, len(shape)) :]
        return [1 if self.chance(0.3) else extent for extent in kept]


def maker(*names):
    def register(function):
        for name in names:
            MAKERS[name] = lambda draw, name=name: function(draw, name)
        return function

    return register


def i64(*values):
    return np.array(values, np.int64)


@maker(
    "Abs",
    "Ceil",
    "Floor",
    "Exp",
    "Neg",
    "Relu",
    "Sigmoid",
    "Tanh",
    "Sin",
    "Cos",
    "Atan",
    "Sinh",
    "Erf",
    "Softsign",
    "Softplus",
    "Sign",
    "Round",
    "Identity",
    "Elu",
    "Selu",
    "LeakyRelu",
    "HardSigmoid",
    "ThresholdedRelu",
    "HardSwish",
    "Mish",
    "Celu",
    "IsNaN",
    "Not",
    "Reciprocal",
    "Sqrt",
    "Log",
    "Asinh",
    "Acosh",
    "Atanh",
    "Asin",
    "Acos",
    "Tan",
    "Gelu",
)
def unary(draw, name):
    since = {
        "Erf": 9,
        "Sign": 9,
        "Round": 11,
        "HardSwish": 14,
        "Mish": 18,
        "Celu": 12,
        "IsNaN": 9,
        "ThresholdedRelu": 10,
        "Sinh": 9,
        "Asinh": 9,
        "Acosh": 9,
        "Atanh": 9,
        "Gelu": 20,
    }
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


@maker(
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Pow",
    "Less",
    "Greater",
    "Equal",
    "And",
    "Or",
    "Xor",
    "PRelu",
    "Mod",
    "BitShift",
    "LessOrEqual",
    "GreaterOrEqual",
)
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
        return Case(
            name,
            [draw.integers(shape, 0, 99, np.uint32), draw.integers(other, 0, 7, np.uint32)],
            {"direction": draw.choice(["LEFT", "RIGHT"])},
        )
    kinds = (
        "f"
        if name in ("Pow", "PRelu")
        else (
            "il"
            if draw.opset < 9 and name == "Equal"
            else (
                "fl"
                if name in ("Less", "Greater", "Equal") and draw.opset >= 9
                else "f" if name in ("Less", "Greater") else "fil"
            )
        )
    )
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


@maker(
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceL1",
    "ReduceL2",
    "ReduceSumSquare",
    "ReduceLogSum",
    "ReduceLogSumExp",
)
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


@maker("Clip")
def clip(draw, name):
    x = draw.floats(draw.shape(0, 3))
    if draw.opset < 11:
        return Case(name, [x], {"min": -1.0, "max": 0.5} if draw.chance() else {"max": 0.5})
    return Case(name, [x, np.array(-1, np.float32) if draw.chance(0.7) else None, np.array(0.5, np.float32)])


@maker("CumSum")
def cumsum(draw, name):
    if draw.opset < 11:
        return None
    shape = draw.shape(1, 4)
    return Case(
        name,
        [draw.floats(shape), np.array(draw.axis(len(shape)), np.int64)],
        {"exclusive": draw.integer(0, 1), "reverse": draw.integer(0, 1)},
        constants=(1,),
    )


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
    equation = draw.choice(
        ["ab,bc->ac", "abc,acd->abd", "abc,abd->acd", "ab->ba", "ab,ab->", "abc->ac", "abcd,abed->abce", "ab,c->abc"]
    )
    terms = equation.split("->")[0].split(",")
    return Case(name, [draw.floats([e[x] for x in term]) for term in terms], {"equation": equation})
