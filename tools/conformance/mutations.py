"""Feeds modelconv ONNX files that are wrong: on purpose, and by random changes of good ones. Nothing may crash or hang.

usage: mutations.py COUNT

A file that still is a model may run; every other one has to be refused with an error. Files that crash stay in
build/conformance/crashes with what happened.
"""

import random
import sys
import tempfile
from pathlib import Path

import onnx
from onnx import TensorProto, helper, numpy_helper

import os

import numpy as np

from program import Program

SEED = 20_261_121
TIMEOUT = 30
CRASHES = Path("build/conformance/crashes")
# Of many kinds: convolutions, recurrent layers, control flow, sequences, functions in functions, quantization, strings.
CASES = (
    "node/test_basic_conv_with_padding", "node/test_lstm_with_initial_bias", "node/test_if", "node/test_loop11",
    "node/test_scan_sum", "node/test_sequence_map_add_2_sequences", "node/test_layer_normalization_2d_axis1_expanded",
    "node/test_quantizelinear_axis", "node/test_resize_upsample_scales_cubic", "node/test_einsum_batch_matmul",
    "node/test_gather_elements_0", "node/test_string_concat", "node/test_attention_4d_expanded",
    "node/test_reshape_allowzero_reordered",
    "simple/test_expand_shape_model3", "simple/test_sequence_model4", "pytorch-converted/test_Conv3d_dilated",
    "pytorch-operator/test_operator_repeat", "node/test_cast_FLOAT_to_FLOAT8E4M3FN", "node/test_nonzero_example",
)


def model(nodes, inputs=(("x", TensorProto.FLOAT, [2]),), outputs=(("y", TensorProto.FLOAT, [2]),), initializers=()):
    info = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "g", [info(*item) for item in inputs], [info(*item) for item in outputs], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)])


def external(location, offset="0", length="8"):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=value)
    return model([helper.make_node("Add", ["x", "w"], ["y"])], initializers=[tensor])


def nested(depth):
    """If in If in If, as bytes: Python's own protobuf refuses to go that deep."""
    def field(number, content):
        length, prefix = len(content), bytes([number << 3 | 2])
        while length > 127:
            prefix += bytes([length & 127 | 128])
            length >>= 7
        return prefix + bytes([length]) + content
    graph = field(2, b"g")
    for _ in range(depth):
        attribute = field(1, b"then_branch") + field(6, graph) + bytes([20 << 3 & 127 | 128, 1, 5])
        graph = field(1, field(4, b"If") + field(1, b"x") + field(2, b"y") + field(5, attribute)) + field(2, b"g")
    return bytes([8, 10]) + field(7, graph) + field(8, bytes([16, 22]))


def nested_types(depth):
    proto = onnx.TypeProto()
    inner = proto
    for _ in range(depth):
        inner = inner.sequence_type.elem_type
    inner.tensor_type.elem_type = 1
    result = model([helper.make_node("Identity", ["x"], ["y"])])
    result.graph.input[0].type.CopyFrom(proto)
    return result


def calling_itself():
    result = model([helper.make_node("f", ["x"], ["y"], domain="own")])
    body = [helper.make_node("f", ["a"], ["b"], domain="own")]
    result.functions.append(helper.make_function("own", "f", ["a"], ["b"], body, [helper.make_opsetid("own", 1)]))
    result.opset_import.append(helper.make_opsetid("own", 1))
    return result


def doubling(levels):
    """Each function calls the next one twice: 2 to the `levels` nodes."""
    result = model([helper.make_node("f0", ["x"], ["y"], domain="own")])
    opsets = [helper.make_opsetid("own", 1), helper.make_opsetid("", 22)]
    for level in range(levels):
        name, domain = (f"f{level + 1}", "own") if level + 1 < levels else ("Relu", "")
        body = [helper.make_node(name, ["a"], ["m"], domain=domain), helper.make_node(name, ["m"], ["b"], domain=domain)]
        result.functions.append(helper.make_function("own", f"f{level}", ["a"], ["b"], body, opsets))
    result.opset_import.append(helper.make_opsetid("own", 1))
    return result


def huge(*extents):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=list(extents))
    return model([helper.make_node("Add", ["x", "w"], ["y"])], initializers=[tensor])


def shaped(operator, shape, **attributes):
    tensor = numpy_helper.from_array(np.array(shape, np.int64), "s")
    return model([helper.make_node(operator, ["x", "s"], ["y"], **attributes)], initializers=[tensor])


def wrong_files(folder):
    """(name, content): files that each break one rule."""
    (folder.parent / "outside.bin").write_bytes(bytes(8))
    (folder / "link.bin").symlink_to("/etc/passwd")
    constant = [helper.make_node("ConstantOfShape", ["s"], ["y"])]
    many = numpy_helper.from_array(np.full(8, 2**40, np.int64), "s")
    relu = helper.make_node("Relu", ["x"], ["y"])
    files = {
        "empty": b"", "no protobuf": b"\xff" * 100, "text": b"hello" * 100, "only a version": bytes([8, 10]),
        "a cycle": model([helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"]),
                          helper.make_node("Relu", ["b"], ["y"])]),
        "a node reads itself": model([helper.make_node("Add", ["x", "y"], ["y"])]),
        "nothing writes an input": model([helper.make_node("Relu", ["nowhere"], ["y"])]),
        "nothing writes an output": model([], outputs=(("z", TensorProto.FLOAT, [2]),)),
        "written twice": model([relu, relu]),
        "an unknown element type": model([relu], inputs=(("x", 999, [2]),)),
        "negative extents": huge(-1, -2), "extents whose product overflows": huge(2**40, 2**40), "a huge tensor": huge(2**61),
        "a tensor without its bytes": huge(1000), "extents of the least integer": huge(-2**63, 2),
        "a huge shape": model(constant, inputs=(), initializers=[many]),
        "reshape to a negative shape": shaped("Reshape", [-5, 2]), "reshape to two -1": shaped("Reshape", [-1, -1]),
        "reshape beyond all bounds": shaped("Reshape", [2**62, 2**62]), "expand to terabytes": shaped("Expand", [2**40]),
        "expand to a negative shape": shaped("Expand", [-3]), "tile by the largest integer": shaped("Tile", [2**63 - 1]),
        "an axis out of range": model([helper.make_node("Softmax", ["x"], ["y"], axis=2**40)]),
        "an axis of the least integer": model([helper.make_node("Concat", ["x"], ["y"], axis=-2**63)]),
        "a permutation with a hole": model([helper.make_node("Transpose", ["x"], ["y"], perm=[7])]),
        "pads beyond all bounds": model([helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2**62], pads=[2**62, 2**62])],
                                        inputs=(("x", TensorProto.FLOAT, [1, 1, 8]),)),
        "strides of 0": model([helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2], strides=[0])],
                              inputs=(("x", TensorProto.FLOAT, [1, 1, 8]),)),
        "negative dilations": model([helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2], dilations=[-3])],
                                    inputs=(("x", TensorProto.FLOAT, [1, 1, 8]),)),
        "groups of 0": model([helper.make_node("Conv", ["x", "x"], ["y"], group=0)],
                             inputs=(("x", TensorProto.FLOAT, [1, 1, 8]),)),
        "external data outside": external("../outside.bin"), "external data at a path": external("/etc/passwd"),
        "external data behind a link": external("link.bin"), "external data that is not there": external("nothing.bin"),
        "external data in a folder": external("."), "external data at a negative place": external("here.bin", offset="-8"),
        "external data at a huge place": external("here.bin", offset=str(2**64)),
        "external data of a huge length": external("here.bin", length=str(2**63 - 1)),
        "external data with NUL in its path": external("here.bin\0/../x"),
        "a function that calls itself": calling_itself(), "functions that double": doubling(60),
        "graphs nested 100 deep": nested(100), "graphs nested 10,000 deep": nested(10_000),
        "types nested 30 deep": nested_types(30), "10,000 nodes in a row": model(
            [helper.make_node("Relu", ["x" if i == 0 else f"v{i}"], [f"v{i + 1}" if i < 9_999 else "y"]) for i in range(10_000)]),
        "an operator set of the future": model([relu]), "no operator set": model([relu]),
    }
    (folder / "here.bin").write_bytes(bytes(8))
    files["an operator set of the future"].opset_import[0].version = 10**6
    del files["no operator set"].opset_import[:]
    return [(name, content if isinstance(content, bytes) else content.SerializeToString()) for name, content in files.items()]


def mutate(content, generator):
    """One to eight changes: bits, bytes, numbers at the edges of their ranges, cuts, repetitions, swaps."""
    data = bytearray(content)
    for _ in range(generator.choice((1, 1, 1, 2, 3, 8))):
        place = generator.randrange(len(data)) if data else 0
        kind = generator.randrange(8)
        if not data:
            break
        if kind == 0:
            data[place] ^= 1 << generator.randrange(8)
        elif kind == 1:
            data[place] = generator.randrange(256)
        elif kind == 2:
            data[place] = generator.choice((0, 1, 0x7f, 0x80, 0xff))
        elif kind == 3:
            del data[place:place + generator.randrange(1, 9)]
        elif kind == 4:
            data[place:place] = bytes(generator.randrange(256) for _ in range(generator.randrange(1, 9)))
        elif kind == 5:
            part = data[place:place + generator.randrange(1, 65)]
            other = generator.randrange(len(data))
            data[other:other] = part
        elif kind == 6:
            # The largest varint, -1 as protobuf writes it.
            data[place:place + 1] = b"\xff" * 9 + b"\x01"
        else:
            del data[place:]
    return bytes(data)


class Trial:
    def __init__(self, folder):
        self.folder = folder
        self.program = Program(os.environ["MODELCONV"])
        self.counts = {"ran": 0, "refused": 0}
        self.failures = []

    def run(self, name, content, inputs=()):
        path = self.folder / "model.onnx"
        path.write_bytes(content)
        result, message = self.program.run(str(path), list(inputs), str(self.folder / "out"), TIMEOUT)
        if result in ("crash", "timeout"):
            CRASHES.mkdir(parents=True, exist_ok=True)
            kept = CRASHES / f"{len(self.failures)}.onnx"
            kept.write_bytes(content)
            self.failures.append(name)
            print(f"{result.upper()} {name}: {message} (kept as {kept})", flush=True)
        else:
            self.counts["ran" if result == "ran" else "refused"] += 1
        return result, message


def main():
    count = int(sys.argv[1])
    generator = random.Random(SEED)
    data = Path(onnx.__file__).parent / "backend/test/data"
    with tempfile.TemporaryDirectory(prefix="apus-mutations-") as work:
        folder = Path(work) / "models"
        folder.mkdir()
        trial = Trial(folder)
        for name, content in wrong_files(folder):
            inputs = folder / "x.pb"
            inputs.write_bytes(numpy_helper.from_array(np.zeros(2, np.float32)).SerializeToString())
            result, message = trial.run(name, content, [str(inputs)])
            if "external data" in name and result == "ran":
                trial.failures.append(name)
                print(f"READ {name}: a file that is not the model's was read")
            told = message.replace(str(folder), "...").replace("\0", "<NUL>")[:160]
            print(f"  {name}: {result}{': ' if told else ''}{told}")
        cases = [(data / case / "model.onnx").read_bytes() for case in CASES]
        inputs = [sorted(map(str, (data / case / "test_data_set_0").glob("input_*.pb"))) for case in CASES]
        for number in range(count):
            index = number % len(CASES)
            trial.run(f"mutation {number} of {CASES[index]}", mutate(cases[index], generator), inputs[index])
        trial.program.stop()
    print(f"seed {SEED}: {trial.counts['refused']} refused, {trial.counts['ran']} ran, {len(trial.failures)} failures")
    sys.exit(1 if trial.failures else 0)


if __name__ == "__main__":
    main()
