"""Random models of one operator, and random networks, through modelconv, compared with ONNX Runtime (optimizations off).

Where ONNX Runtime lacks the operator at the drawn set, onnx's reference evaluator is the judge; where Apus and ONNX Runtime
differ, it says who agrees with it. Every case follows from --seed and its number. Exit code 1 where Apus differs, refuses or
crashes.
"""

import argparse
import collections
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import values
from program import Program
import random_fused_cases  # noqa: F401  adds makers, as the next two do
import random_movement_cases  # noqa: F401
import random_networks
import random_window_cases  # noqa: F401
from random_cases import MAKERS, Case, Draw

OPSETS = range(7, 23)
# float32's rounding over sums of some hundred products; relative to the largest element.
TOLERANCE = 2e-5
NETWORK = "Network"
NETWORK_TOLERANCE = 1e-4


def model_of(case, draw, opset):
    """(model, fed arrays): operands are inputs or, by chance, constants."""
    inputs, initializers, names, fed = [], [], [], {}
    for index, array in enumerate(case.inputs):
        if array is None:
            names.append("")
            continue
        name = f"x{index}"
        names.append(name)
        if index in case.constants or (index > 0 and draw.chance()):
            initializers.append(numpy_helper.from_array(array, name))
            continue
        fed[name] = array
        # Symbolic extents, of operators that split hidden sizes the leading one alone: they need the others to convert.
        symbolic = 0 if not draw.chance(0.3) else 1 if case.domain else array.ndim
        extents = [f"d{index}_{axis}" if axis < symbolic else extent for axis, extent in enumerate(array.shape)]
        inputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), extents))
    outputs = [f"y{index}" for index in range(case.outputs)]
    node = helper.make_node(case.operator, names, outputs, name="node", domain=case.domain, **case.attributes)
    graph = helper.make_graph(
        [node], "random", inputs, [helper.make_empty_tensor_value_info(name) for name in outputs], initializers
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)], ir_version=8
    )
    # Output types, where shape inference tells them: some readers want them.
    model = onnx.shape_inference.infer_shapes(model)
    return model, fed


def run_reference(model, fed):
    return ReferenceEvaluator(model).run(None, fed)


def run_runtime(model, fed):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, fed)


def expected_of(model, fed):
    """(who, values), or (None, what stands in the way)."""
    try:
        return "ONNX Runtime", run_runtime(model, fed)
    except Exception as error:
        first = str(error)
    try:
        return "the reference evaluator", run_reference(model, fed)
    except Exception as error:
        return None, f"{first} | {error}"


def difference(expected, actual, tolerance, steps=0):
    for index, (want, got) in enumerate(zip(expected, actual)):
        want, got = np.asarray(want), np.asarray(got)
        finite = want[np.isfinite(want)] if want.dtype.kind == "f" else want
        scale = float(np.abs(finite).max()) if finite.size and want.dtype.kind == "f" else 0
        tolerance = 2e-3 if want.dtype == np.float16 else tolerance
        rtol = tolerance if want.dtype.kind == "f" else 0
        if steps and want.dtype.itemsize == 1 and want.shape == got.shape and want.dtype == got.dtype:
            if (np.abs(want.astype(np.int32) - got.astype(np.int32)) <= steps).all():
                continue
        found = values.array_difference(want, got, f"output {index}", rtol, tolerance * scale if rtol else 0)
        if found:
            return found
    return None


def run_case(name, number, options, program, folder):
    """(result, text); result is `agrees`, `no case`, `no judge`, or what is wrong."""
    seed = [options.seed, number]
    opset = OPSETS[int(np.random.default_rng(seed).integers(len(OPSETS)))]
    draw = Draw(seed + [1], opset)
    if name == NETWORK:
        case, tolerance = Case(NETWORK, []), NETWORK_TOLERANCE
        model, fed = random_networks.build(draw)
    else:
        case, tolerance = MAKERS[name](draw), TOLERANCE
        if case is None:
            return "no case", ""
        model, fed = model_of(case, draw, opset)
    judge, expected = expected_of(model, fed)
    if judge is None:
        return "no judge", expected
    path = folder / "model.onnx"
    onnx.save(model, path)
    files = []
    for index, info in enumerate(model.graph.input):
        files.append(str(folder / f"input_{index}.pb"))
        Path(files[-1]).write_bytes(numpy_helper.from_array(fed[info.name]).SerializeToString())
    result, message = program.run(str(path), files, str(folder), 60)
    operands = [None if array is None else [str(array.dtype), *array.shape] for array in case.inputs]
    text = f"{name}-{opset} #{number} {json.dumps(case.attributes)} {operands}"
    if result != "ran":
        return result, f"{text}: {message}"
    actual = []
    for index in range(len(expected)):
        tensor = TensorProto()
        tensor.ParseFromString((folder / f"output_{index}.pb").read_bytes())
        actual.append(numpy_helper.to_array(tensor))
    found = difference(expected, actual, tolerance, case.steps)
    if not found:
        return "agrees", ""
    if judge == "ONNX Runtime":
        try:
            with np.errstate(all="ignore"):
                reference = run_reference(model, fed)
            if difference(reference, actual, tolerance) is None:
                return "agrees", ""  # with the definition: ONNX Runtime departs from it
            also = (
                "; the reference evaluator agrees with ONNX Runtime"
                if difference(reference, expected, tolerance) is None
                else "; the reference evaluator has a third result"
            )
        except Exception as error:
            also = f"; the reference evaluator: {str(error)[:80]}"
        judge += also
    return "differs", f"{text}: {found} ({judge})"


def main():
    parser = argparse.ArgumentParser(
        prog="tools/conformance/random_models", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--count", type=int, default=20, help="cases of each operator")
    parser.add_argument("--networks", type=int, default=200, help="random networks")
    parser.add_argument("--only", metavar="OPERATOR", help=f"one operator, or {NETWORK}")
    parser.add_argument("--number", type=int, help="one case of it")
    parser.add_argument("--keep", metavar="FOLDER", help="leave the last model and its inputs there")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    program = Program(os.environ["MODELCONV"])
    counts, wrong, unjudged = collections.Counter(), [], collections.Counter()
    with tempfile.TemporaryDirectory(prefix="apus-random-") as temporary:
        folder = Path(options.keep or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in [options.only] if options.only else [*MAKERS, NETWORK]:
            count = options.networks if name == NETWORK else options.count
            for number in [options.number] if options.number is not None else range(count):
                result, text = run_case(name, number, options, program, folder)
                counts[result] += 1
                if result == "no judge":
                    unjudged[name] += 1
                elif result not in ("agrees", "no case"):
                    wrong.append(text)
                    print(f"{result}: {text}", flush=True)
    program.stop()
    if unjudged:
        print(
            "neither ONNX Runtime nor the reference evaluator runs: "
            + ", ".join(f"{name} {count}" for name, count in unjudged.items())
        )
    print(f"seed {options.seed}: {dict(counts)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
