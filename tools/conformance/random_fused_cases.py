"""Makers of random models of the operators of com.microsoft that exporters and ONNX Runtime's own optimizer write.

onnx has neither tests nor a reference for them: ONNX Runtime is the definition. Adds to random_cases.MAKERS.
"""

import numpy as np

from random_cases import Case, i64, maker

DOMAIN = "com.microsoft"


def fused(*names):
    """A maker of operators of com.microsoft, which have one version."""

    def register(function):
        def make(draw, name):
            case = function(draw, name)
            if case is not None:
                case.domain = DOMAIN
            return case

        return maker(*names)(make)

    return register


@fused("FusedMatMul")
def fused_matmul(draw, name):
    m, k, n = draw.integer(1, 12), draw.integer(1, 40), draw.integer(1, 20)
    batch = draw.shape(0, 2, 3)
    attributes = {"transA": draw.integer(0, 1), "transB": draw.integer(0, 1), "alpha": draw.choice([1.0, 0.5])}
    a = batch + ([k, m] if attributes["transA"] else [m, k])
    b = batch + ([n, k] if attributes["transB"] else [k, n])
    return Case(name, [draw.floats(a), draw.floats(b)], attributes)


@fused("FusedGemm")
def fused_gemm(draw, name):
    m, k, n = draw.integer(1, 12), draw.integer(1, 40), draw.integer(1, 20)
    activation = draw.choice(["Relu", "LeakyRelu", "Sigmoid", "Tanh"])
    attributes = {"transB": draw.integer(0, 1), "activation": activation}
    if activation == "LeakyRelu":
        attributes["activation_alpha"] = 0.2
    return Case(
        name, [draw.floats([m, k]), draw.floats([n, k] if attributes["transB"] else [k, n]), draw.floats([n])], attributes
    )


@fused("Gelu", "QuickGelu", "FastGelu", "BiasGelu")
def gelu(draw, name):
    shape = draw.shape(2, 3)
    inputs = [draw.floats(shape)]
    if name == "BiasGelu" or (name == "FastGelu" and draw.chance()):
        inputs.append(draw.floats(shape[-1:]))
    return Case(name, inputs, {"alpha": 1.3} if name == "QuickGelu" and draw.chance() else {})


@fused("SkipLayerNormalization", "SkipSimplifiedLayerNormalization")
def skip_norm(draw, name):
    b, s, h = draw.integer(1, 3), draw.integer(1, 5), draw.choice([4, 8, 33])
    inputs = [draw.floats([b, s, h]), draw.floats([b, s, h]), draw.floats([h])]
    if name == "SkipLayerNormalization":
        inputs.append(draw.floats([h]) if draw.chance() else None)
    inputs.append(draw.floats([h]) if draw.chance() else None)
    while inputs[-1] is None:
        inputs.pop()
    return Case(name, inputs, {"epsilon": 1e-3})


@maker("SimplifiedLayerNormalization")
def simplified_norm(draw, name):
    shape = draw.shape(2, 3, least=2)
    return Case(name, [draw.floats(shape), draw.floats(shape[-1:])], {"axis": -1, "epsilon": 1e-3})


@fused("EmbedLayerNormalization")
def embed(draw, name):
    b, s, h = draw.integer(1, 2), draw.integer(1, 5), 8
    segments = draw.chance()
    inputs = [
        draw.integers([b, s], 0, 9, np.int32),
        draw.integers([b, s], 0, 1, np.int32) if segments else None,
        draw.floats([10, h]),
        draw.floats([6, h]),
        draw.floats([2, h]) if segments else None,
        draw.floats([h]),
        draw.floats([h]),
    ]
    if draw.chance():
        lengths = draw.integers([b], 1, s, np.int32)
        inputs.append((np.arange(s)[None, :] < lengths[:, None]).astype(np.int32))
    return Case(name, inputs, {"epsilon": 1e-3}, 2)  # the reference wants both outputs named


@fused("Attention")
def attention(draw, name):
    b, s, heads, size = draw.integer(1, 2), draw.integer(1, 6), draw.choice([1, 2, 4]), draw.choice([4, 8])
    hidden, width = heads * size, draw.choice([5, 16])
    inputs = [draw.floats([b, s, width]), draw.floats([width, 3 * hidden], low=-1, high=1), draw.floats([3 * hidden])]
    attributes = {"num_heads": heads}
    if draw.chance(0.3):
        attributes["unidirectional"] = 1
    elif draw.chance():
        inputs.append(draw.integers([b], 1, s, np.int32))
    return Case(name, inputs, attributes)


@fused("MultiHeadAttention")
def multi_head(draw, name):
    b, s, t, heads, size = draw.integer(1, 2), draw.integer(1, 6), draw.integer(1, 6), draw.choice([1, 2, 4]), draw.choice([4, 8])
    hidden = heads * size
    inputs = [draw.floats([b, s, hidden]), draw.floats([b, t, hidden]), draw.floats([b, t, hidden])]
    if draw.chance():
        inputs.append(draw.floats([3 * hidden]))
    return Case(name, inputs, {"num_heads": heads, **({"scale": 0.3} if draw.chance() else {})})


@fused("GroupQueryAttention")
def group_query(draw, name):
    b, heads, size = draw.integer(1, 2), draw.choice([2, 4]), draw.choice([8, 16])
    groups = draw.choice([g for g in (1, 2, 4) if g <= heads])
    prompt = draw.chance()
    s, past = (draw.integer(1, 5), 0) if prompt else (1, draw.integer(1, 5))
    total = s + past
    inputs = [
        draw.floats([b, s, heads * size]),
        draw.floats([b, s, groups * size]),
        draw.floats([b, s, groups * size]),
        draw.floats([b, groups, past, size]),
        draw.floats([b, groups, past, size]),
        np.full([b], total - 1, np.int32),
        np.array(total, np.int32),
    ]
    attributes = {"num_heads": heads, "kv_num_heads": groups}
    if draw.chance():
        attributes.update(do_rotary=1, rotary_interleaved=draw.integer(0, 1))
        angles = draw.floats([16, size // 2])
        inputs += [np.cos(angles), np.sin(angles)]
    return Case(name, inputs, attributes, 3, (6,))


@fused("RotaryEmbedding")
def rotary(draw, name):
    b, s, heads, size = draw.integer(1, 2), draw.integer(1, 5), draw.choice([1, 2]), 8
    angles = draw.floats([8, size // 2])
    positions = i64(0) if draw.chance() else draw.integers([b, s], 0, 7)
    return Case(
        name, [draw.floats([b, s, heads * size]), positions, np.cos(angles), np.sin(angles)], {"interleaved": draw.integer(0, 1)}
    )


@fused("MatMulNBits")
def n_bits(draw, name):
    block, bits = draw.choice([16, 32, 64]), 4
    k, n, m = draw.choice([32, 64, 80, 128]), draw.integer(1, 40), draw.choice([1, 2, 7])
    blocks = -(-k // block)
    inputs = [
        draw.floats([m, k]),
        draw.integers([n, blocks, block // 2], 0, 255, np.uint8),
        draw.floats([n * blocks], low=0.01, high=0.1),
    ]
    if draw.chance():
        inputs.append(draw.integers([n * ((blocks + 1) // 2)], 0, 255, np.uint8))
    return Case(name, inputs, {"K": k, "N": n, "bits": bits, "block_size": block}, constants=(1, 2, 3))


def parameters(draw, dtype):
    scale = np.array(draw.choice([0.02, 0.05, 0.1]), np.float32)
    return [scale, draw.integers([], 90 if dtype is np.uint8 else -9, 140 if dtype is np.uint8 else 9, dtype)]


def bytes_of(draw, shape, dtype):
    return draw.integers(shape, 0 if dtype is np.uint8 else -128, 255 if dtype is np.uint8 else 127, dtype)


@fused("QLinearAdd", "QLinearMul")
def qlinear_binary(draw, name):
    dtype = draw.choice([np.uint8, np.int8])
    shape = draw.shape(1, 3)
    inputs = [
        bytes_of(draw, shape, dtype),
        *parameters(draw, dtype),
        bytes_of(draw, draw.broadcastable(shape), dtype),
        *parameters(draw, dtype),
        *parameters(draw, dtype),
    ]
    return Case(name, inputs, constants=(1, 2, 4, 5, 6, 7), steps=1)


@fused("QLinearSigmoid", "QLinearLeakyRelu")
def qlinear_unary(draw, name):
    dtype = draw.choice([np.uint8, np.int8])
    inputs = [bytes_of(draw, draw.shape(1, 3), dtype), *parameters(draw, dtype), *parameters(draw, dtype)]
    return Case(name, inputs, {"alpha": 0.2} if name == "QLinearLeakyRelu" else {}, constants=(1, 2, 3, 4), steps=1)


@fused("QLinearGlobalAveragePool", "QLinearAveragePool")
def qlinear_pool(draw, name):
    dtype = draw.choice([np.uint8, np.int8])
    inputs = [
        bytes_of(draw, [1, draw.integer(1, 5), draw.integer(3, 6), draw.integer(3, 6)], dtype),
        *parameters(draw, dtype),
        *parameters(draw, dtype),
    ]
    attributes = {"kernel_shape": [2, 3], "strides": [1, 2]} if name == "QLinearAveragePool" else {}
    return Case(name, inputs, attributes, constants=(1, 2, 3, 4), steps=1)


@fused("QLinearConcat")
def qlinear_concat(draw, name):
    dtype = draw.choice([np.uint8, np.int8])
    shape = draw.shape(1, 3)
    inputs = [*parameters(draw, dtype)]
    for _ in range(draw.integer(1, 3)):
        inputs += [bytes_of(draw, shape, dtype), *parameters(draw, dtype)]
    constants = (0, 1, *[3 * i + j for i in range(3) for j in (3, 4)])
    return Case(name, inputs, {"axis": draw.axis(len(shape))}, constants=constants, steps=1)


@fused("DynamicQuantizeMatMul", "MatMulIntegerToFloat")
def integer_matmul(draw, name):
    m, k, n = draw.integer(1, 9), draw.integer(1, 40), draw.integer(1, 20)
    dtype = draw.choice([np.uint8, np.int8])
    b = bytes_of(draw, [k, n], dtype) // 2
    scale, zero = parameters(draw, dtype)
    if name == "DynamicQuantizeMatMul":
        inputs = [draw.floats([m, k]), b, scale, zero if draw.chance() else None]
    else:
        inputs = [bytes_of(draw, [m, k], np.uint8), b, np.array(0.05, np.float32), scale, np.array(128, np.uint8), zero]
    inputs.append(draw.floats([n]) if draw.chance() else None)
    while inputs[-1] is None:
        inputs.pop()
    return Case(name, inputs, constants=(1, 2, 3, 4, 5))


@fused("QGemm")
def qgemm(draw, name):
    m, k, n = draw.integer(1, 9), draw.integer(1, 40), draw.integer(1, 20)
    a, b = np.uint8, draw.choice([np.uint8, np.int8])
    transposed = draw.integer(0, 1)
    inputs = [
        bytes_of(draw, [m, k], a),
        *parameters(draw, a),
        bytes_of(draw, [n, k] if transposed else [k, n], b) // 2,
        *parameters(draw, b),
        draw.integers([n], -99, 99, np.int32),
    ]
    if draw.chance(0.7):
        inputs += [np.array(0.5, np.float32), np.array(120, a)]
    return Case(name, inputs, {"transB": transposed}, constants=(1, 2, 3, 4, 5, 6, 7, 8), steps=1)


@maker("QLinearMatMul")
def qlinear_matmul(draw, name):
    if draw.opset < 10:
        return None
    m, k, n = draw.integer(1, 9), draw.integer(1, 40), draw.integer(1, 20)
    a, b = np.uint8, draw.choice([np.uint8, np.int8])
    inputs = [
        bytes_of(draw, [m, k], a),
        *parameters(draw, a),
        bytes_of(draw, [k, n], b) // 2,
        *parameters(draw, b),
        np.array(0.5, np.float32),
        np.array(120, a),
    ]
    return Case(name, inputs, constants=(1, 2, 3, 4, 5, 6, 7), steps=1)


@maker("QLinearConv", "ConvInteger")
def integer_conv(draw, name):
    if draw.opset < 10:
        return None
    groups, each_in, each_out = draw.choice([1, 1, 2]), draw.choice([1, 3, 8]), draw.choice([1, 4, 9])
    x = bytes_of(draw, [1, groups * each_in, draw.integer(3, 9), draw.integer(3, 9)], np.uint8)
    w_type = draw.choice([np.uint8, np.int8]) if name == "QLinearConv" else np.uint8
    w = bytes_of(draw, [groups * each_out, each_in, draw.integer(1, 3), draw.integer(1, 3)], w_type) // 2
    attributes = {"group": groups, "strides": [draw.integer(1, 2)] * 2, "pads": [draw.integer(0, 1)] * 4}
    if name == "ConvInteger":
        inputs = [x, w] + ([np.array(128, np.uint8)] if draw.chance() else [])
        return Case(name, inputs, attributes, constants=(1, 2))
    scale, zero = parameters(draw, w_type)
    if draw.chance() and w_type is np.int8:
        scale, zero = draw.floats([groups * each_out], low=0.01, high=0.1), np.zeros([groups * each_out], np.int8)
    inputs = [x, *parameters(draw, np.uint8), w, scale, zero, np.array(0.5, np.float32), np.array(120, np.uint8)]
    if draw.chance():
        inputs.append(draw.integers([groups * each_out], -99, 99, np.int32))
    return Case(name, inputs, attributes, constants=tuple(range(1, 9)), steps=1)


@fused("FusedConv")
def fused_conv(draw, name):
    x, w = draw.floats([1, 3, 6, 7]), draw.floats([draw.integer(1, 20), 3, 3, 3])
    activation = draw.choice(["Relu", "Sigmoid", "Tanh", "LeakyRelu", "Clip", "HardSigmoid"])
    attributes = {"activation": activation, "pads": [1, 1, 1, 1]}
    if activation in ("LeakyRelu", "Clip", "HardSigmoid"):
        attributes["activation_params"] = {"LeakyRelu": [0.3], "Clip": [-1.0, 4.0], "HardSigmoid": [0.2, 0.5]}[activation]
    return Case(name, [x, w, draw.floats([w.shape[0]])], attributes)
