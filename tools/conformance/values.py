"""Values as the suite stores them, and when two of them agree."""

import numpy as np
import onnx
from onnx import numpy_helper

RTOL, ATOL = 1e-3, 1e-7
# Two results that differ in the last of bfloat16's 8 bits are this far apart.
BFLOAT16_RTOL = 2.0**-6
WIDENED_INTEGERS = ("int4", "uint4", "int2", "uint2")
SMALL_FLOATS = ("bfloat16", "float8", "float4", "float6")


def load(path, value_info):
    """The value in a .pb file: an array, a list, a dict or None."""
    with open(path, "rb") as file:
        content = file.read()
    kind = value_info.type.WhichOneof("value")
    message, convert = {
        "sequence_type": (onnx.SequenceProto, numpy_helper.to_list),
        "optional_type": (onnx.OptionalProto, numpy_helper.to_optional),
        "map_type": (onnx.MapProto, numpy_helper.to_dict),
    }.get(kind, (onnx.TensorProto, numpy_helper.to_array))
    value = message()
    value.ParseFromString(content)
    return convert(value)


def difference(expected, actual, name, rtol=RTOL, atol=ATOL):
    """What is wrong with `actual`, in a few words; None where it agrees with `expected`."""
    if isinstance(expected, (list, tuple)):
        if not isinstance(actual, (list, tuple)):
            return f"{name}: a sequence is expected"
        if len(expected) != len(actual):
            return f"{name}: {len(actual)} elements, {len(expected)} expected"
        for index, pair in enumerate(zip(expected, actual)):
            found = difference(*pair, f"{name}[{index}]", rtol, atol)
            if found:
                return found
        return None
    if expected is None or actual is None:
        return None if expected is actual else f"{name}: one is an empty optional"
    if isinstance(expected, dict):
        return None if expected == actual else f"{name}: maps differ"
    return array_difference(np.asarray(expected), np.asarray(actual), name, rtol, atol)


def array_difference(expected, actual, name, rtol, atol):
    if expected.shape != actual.shape:
        return f"{name}: shape {list(actual.shape)}, {list(expected.shape)} expected"
    if expected.dtype.kind in "OUS":
        same = [text(x) for x in expected.ravel()] == [text(x) for x in actual.ravel()]
        return None if same else f"{name}: strings differ"
    if expected.dtype != actual.dtype:
        return f"{name}: {actual.dtype}, {expected.dtype} expected"
    if expected.dtype.name in WIDENED_INTEGERS:
        expected, actual = expected.astype(np.int64), actual.astype(np.int64)
    if np.array_equal(expected, actual):
        return None
    if expected.dtype.name == "bfloat16":
        rtol = max(rtol, BFLOAT16_RTOL)
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    expected, actual = expected.astype(wide), actual.astype(wide)
    with np.errstate(all="ignore"):
        agree = np.isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=True)
    if agree.all():
        return None
    first = tuple(int(i) for i in np.argwhere(~agree)[0]) if agree.ndim else ()
    return (f"{name}: {int((~agree).sum())} of {agree.size} elements differ, first {list(first)}: "
            f"{actual[first]}, {expected[first]} expected")


def text(element):
    return element.decode() if isinstance(element, bytes) else str(element)
