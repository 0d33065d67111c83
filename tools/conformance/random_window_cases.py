"""Makers of random models of convolutions, pooling, normalisations and recurrent layers; adds to random_cases.MAKERS."""

import numpy as np

from random_cases import Case, maker


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
            attributes["pads"][axis] + attributes["pads"][axis + axes]
        ):
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
    return Case(
        name, [draw.floats([draw.integer(1, 2), draw.choice([1, 3, 17])] + extents)], {**attributes, "kernel_shape": kernel}
    )


@maker("GlobalAveragePool", "GlobalMaxPool")
def global_pool(draw, name):
    return Case(name, [draw.floats([draw.integer(1, 2), draw.integer(1, 20)] + draw.shape(1, 3))])


@maker("BatchNormalization")
def batch_norm(draw, name):
    shape = draw.shape(2, 4)
    c = shape[1]
    attributes = {"epsilon": draw.choice([1e-5, 1e-3])}
    return Case(
        name, [draw.floats(shape), draw.floats([c]), draw.floats([c]), draw.floats([c]), draw.floats([c], low=0.1)], attributes
    )


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
    return Case(
        name,
        [draw.floats(shape), draw.floats(tail)] + ([draw.floats(tail)] if draw.chance() else []),
        {"axis": axis, "epsilon": 1e-2},
    )


@maker("LRN")
def lrn(draw, name):
    return Case(
        name,
        [draw.floats([draw.integer(1, 2), draw.integer(1, 9)] + draw.shape(2, 2))],
        {"size": draw.choice([1, 3, 5]), "alpha": 0.1, "bias": 1.5},
    )


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
    inputs = [
        draw.floats([t, b, i]),
        draw.floats([ways, gates * h, i], low=-1, high=1),
        draw.floats([ways, gates * h, h], low=-1, high=1),
    ]
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


@maker("GroupNormalization")
def group_norm(draw, name):
    if draw.opset < 21:
        return None
    groups, each = draw.integer(1, 3), draw.integer(1, 4)
    c = groups * each
    return Case(
        name,
        [draw.floats([2, c] + draw.shape(1, 2)), draw.floats([c]), draw.floats([c])],
        {"num_groups": groups, "epsilon": 1e-3},
    )


@maker("MeanVarianceNormalization")
def mvn(draw, name):
    return Case(name, [draw.floats(draw.shape(4, 4, least=2))], {"axes": [0, 2, 3]}) if draw.opset >= 9 else None
