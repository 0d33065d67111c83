"""Runs ONNX's backend test suite through modelconv and compares with the committed list of known failures.

A case passes where every output of all of its data sets has the expected kind, type and shape, and numbers within rtol 1e-3 and
atol 1e-7 (the suite's own; rtol 2^-6 for bfloat16). Exit code 1 where a case fails that known-failures.txt does not list, or
where it lists one that passes.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import re
import sys
import tempfile
import threading
import time
from pathlib import Path

import onnx
from onnx import TensorProto

import values
from program import Program

GROUPS = ("node", "simple", "pytorch-converted", "pytorch-operator")
KNOWN_FAILURES = Path(__file__).with_name("known-failures.txt")
SMALL_TYPES = re.compile(r"FLOAT8|FLOAT4|U?INT4$|U?INT2$")


class Case:
    def __init__(self, folder):
        self.folder = folder
        self.group = folder.parent.name
        self.name = folder.name
        self.model = folder / "model.onnx"
        self.is_expansion = "_expanded" in folder.name

    def __str__(self):
        return f"{self.group}/{self.name}"

    def data_sets(self):
        return sorted(self.folder.glob("test_data_set_*"), key=lambda path: int(path.name.rsplit("_", 1)[1]))


def cases_in(data, pattern):
    """Those whose group/name matches; `data` is None for the installed package's."""
    data = Path(data) if data else Path(onnx.__file__).parent / "backend/test/data"
    cases = [Case(model.parent) for group in GROUPS for model in sorted((data / group).glob("*/model.onnx"))]
    return [case for case in cases if re.search(pattern, str(case))]


def category(case, model):
    """What a case is counted under: its group, or what its operators and types need."""
    if case.group != "node":
        return case.group
    domains = {node.domain for node in model.graph.node}
    kinds, types = set(), set()
    for value in [*model.graph.input, *model.graph.output]:
        kinds.add(value.type.WhichOneof("value"))
        types.add(TensorProto.DataType.Name(value.type.tensor_type.elem_type))
    if any("training" in domain for domain in domains):
        return "training"
    if "ai.onnx.ml" in domains:
        return "ai.onnx.ml"
    if kinds - {"tensor_type"}:
        return "sequences and optionals"
    if "STRING" in types:
        return "strings"
    if any(SMALL_TYPES.match(name) for name in types):
        return "8-bit and smaller floats, 4- and 2-bit integers"
    if types & {"FLOAT16", "BFLOAT16"}:
        return "16-bit floats"
    if types & {"DOUBLE", "COMPLEX64", "COMPLEX128"}:
        return "doubles and complex numbers"
    return "floats, integers, bools"


def inputs_of(model, count):
    """The graph's inputs that `count` files stand for: initializers may be listed as inputs and have no file."""
    initializers = {tensor.name for tensor in model.graph.initializer}
    fed = [value for value in model.graph.input if value.name not in initializers]
    if count not in (len(fed), len(model.graph.input)):
        raise ValueError(f"{count} input files for {len(fed)} inputs")
    return fed if count == len(fed) else list(model.graph.input)


def run_case(case, program, timeout):
    """(result, message); `passed`, or `wrong` or one of Program.run's results."""
    model = onnx.load(case.model)
    sets = case.data_sets()
    if not sets:
        return "wrong", "the case has no data"
    for data in sets:
        input_count = len(list(data.glob("input_*.pb")))
        output_count = len(list(data.glob("output_*.pb")))
        initializers = {tensor.name for tensor in model.graph.initializer}
        files = [str(data / f"input_{index}.pb") for index, value in enumerate(inputs_of(model, input_count))
                 if value.name not in initializers]
        with tempfile.TemporaryDirectory(prefix="apus-conformance-") as folder:
            result, message = program.run(str(case.model), files, folder, timeout)
            if result != "ran":
                return result, message
            for index in range(output_count):
                info = model.graph.output[index]
                expected = values.load(data / f"output_{index}.pb", info)
                try:
                    actual = values.load(f"{folder}/output_{index}.pb", info)
                except Exception as error:
                    return "wrong", f"output_{index}.pb can't be read: {error!r}"
                found = values.difference(expected, actual, info.name)
                if found:
                    return "wrong", found
    return "passed", ""


def known_failures():
    """{case: reason}; lines `group/name: reason`, `#` begins a comment."""
    known = {}
    for line in KNOWN_FAILURES.read_text().splitlines():
        line = line.split("#")[0].strip()
        if line:
            name, _, reason = line.partition(":")
            known[name.strip()] = reason.strip()
    return known


def run_all(cases, options):
    """[(result, message)] in the order of `cases`."""
    local = threading.local()
    programs = []
    arguments = ["--threads", str(options.threads)]
    environment = dict(setting.split("=", 1) for setting in options.env)
    if options.cpu:
        environment["APUS_CPU"] = options.cpu

    def run(case):
        if not hasattr(local, "program"):
            local.program = Program(os.environ["MODELCONV"], arguments, environment)
            programs.append(local.program)
        try:
            return run_case(case, local.program, options.timeout)
        except Exception as error:
            return "error", f"the runner: {error!r}"

    results = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for case, outcome in zip(cases, pool.map(run, cases)):
            results.append(outcome)
            if sys.stderr.isatty():
                sys.stderr.write(f"\r\033[K{len(results)} of {len(cases)}  {case}")
        pool.shutdown()
    for program in programs:
        program.stop()
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    return results


def print_table(cases, categories, results):
    counts = collections.defaultdict(lambda: [0, 0])
    for case, kind, (result, _) in zip(cases, categories, results):
        row = kind + (", expanded into simpler operators" if case.is_expansion else "")
        counts[row][0] += result == "passed"
        counts[row][1] += 1
    width = max(map(len, counts), default=0)
    print(f"{'':{width}}  passed  failed   cases")
    for row in sorted(counts, key=lambda row: (-counts[row][1], row)):
        passed, total = counts[row]
        print(f"{row:{width}}  {passed:6}  {total - passed:6}  {total:6}")
    passed = sum(result == "passed" for result, _ in results)
    print(f"{'all':{width}}  {passed:6}  {len(cases) - passed:6}  {len(cases):6}")


def parse():
    parser = argparse.ArgumentParser(prog="tools/conformance/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filter", default="", metavar="REGEX", help="only cases whose group/name matches")
    parser.add_argument("--cpu", metavar="LEVEL", help="the kernels' instruction set (APUS_CPU): portable, avx2, avx512")
    parser.add_argument("--threads", type=int, default=1, help="threads that a run may use")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="a variable for modelconv")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes side by side")
    parser.add_argument("--timeout", type=float, default=60, help="seconds for one run")
    parser.add_argument("--json", metavar="FILE", help="write each case's result there")
    parser.add_argument("--verbose", action="store_true", help="print every failure, known ones too")
    parser.add_argument("--data", metavar="FOLDER", help="the suite's data, where it is not the installed package's")
    return parser.parse_args()


def main():
    options = parse()
    cases = cases_in(options.data, options.filter)
    began = time.monotonic()
    results = run_all(cases, options)
    seconds = time.monotonic() - began
    categories = [category(case, onnx.load(case.model)) for case in cases]
    known = known_failures()
    if options.json:
        document = [{"case": str(case), "category": kind, "result": result, "message": message, "known": str(case) in known}
                    for case, kind, (result, message) in zip(cases, categories, results)]
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n")

    print_table(cases, categories, results)
    print(f"{seconds:.0f} seconds; {dict(collections.Counter(result for result, _ in results))}")
    failed = {str(case): outcome for case, outcome in zip(cases, results) if outcome[0] != "passed"}
    for name in sorted(failed):
        if name not in known:
            print(f"NEW FAILURE {name}: {failed[name][0]}: {failed[name][1]}")
        elif options.verbose:
            print(f"known failure {name}: {failed[name][0]}: {failed[name][1]} [{known[name]}]")
    ran = {str(case) for case in cases}
    passing = sorted(name for name in known if name in ran and name not in failed)
    for name in passing:
        print(f"PASSES NOW {name}: take it out of {KNOWN_FAILURES.name}")
    new = [name for name in failed if name not in known]
    print(f"{len(failed) - len(new)} known failures, {len(new)} new ones, {len(passing)} pass that are listed as failing")
    sys.exit(1 if new or passing else 0)


if __name__ == "__main__":
    main()
