"""Makers of random models of operators that move, pick and cast elements; adds to random_cases.MAKERS."""

import numpy as np

from random_cases import Case, i64, maker


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
        indices = draw.integers(
            draw.shape(0, 2, 4), -shape[axis] if negative else 0, shape[axis] - 1, draw.choice([np.int32, np.int64])
        )
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


@maker("Cast")
def cast(draw, name):
    x = draw.array(draw.shape(0, 3), "fdhilbs")
    kinds = {1: "f", 11: "d", 10: "h", 6: "i", 7: "l", 3: "s", 9: "bool"}
    target = draw.choice(list(kinds))
    if target == 3 and x.dtype.kind == "f":
        target = 6
    return Case(name, [x], {"to": target})


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
    return Case(
        name,
        [draw.integers(shape, -depth, depth - 1), i64(depth), np.array([-1, 2], np.float32)],
        {"axis": draw.integer(-1, len(shape))},
        constants=(1,),
    )


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


@maker("Resize")
def resize(draw, name):
    if draw.opset < 11:
        return None
    shape = [draw.integer(1, 2), draw.integer(1, 3), draw.integer(2, 8), draw.integer(2, 8)]
    mode = draw.choice(["nearest", "linear", "cubic"])
    attributes = {
        "mode": mode,
        "coordinate_transformation_mode": draw.choice(["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]),
    }
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
    return Case(
        name,
        [x, draw.floats([1, draw.integer(1, 5), draw.integer(1, 5), 2], low=-1.3, high=1.3)],
        {
            "mode": draw.choice(modes),
            "padding_mode": draw.choice(["zeros", "border", "reflection"]),
            "align_corners": draw.integer(0, 1),
        },
    )


@maker("ReverseSequence")
def reverse_sequence(draw, name):
    if draw.opset < 10:
        return None
    t, b = draw.integer(1, 6), draw.integer(1, 4)
    time_first = draw.chance()
    return Case(
        name,
        [draw.floats([t, b, 2] if time_first else [b, t, 2]), draw.integers([b], 1, t)],
        {"time_axis": 0 if time_first else 1, "batch_axis": 1 if time_first else 0},
    )


@maker("Range")
def ranges(draw, name):
    if draw.opset < 11:
        return None
    start, delta = draw.integer(-5, 5), draw.choice([-2, -1, 1, 3])
    return Case(
        name,
        [np.array(v, np.int64) for v in (start, start + delta * draw.integer(0, 6) + draw.integer(0, 1), delta)],
        constants=(0, 1, 2),
    )


@maker("Shape", "Size")
def shape_of(draw, name):
    attributes = (
        {"start": draw.integer(-3, 3), "end": draw.integer(-3, 3)}
        if name == "Shape" and draw.opset >= 15 and draw.chance()
        else {}
    )
    return Case(name, [draw.floats(draw.shape(1, 4))], attributes)
