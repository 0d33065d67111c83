"""The nine light models of the package onnx: real architectures whose weights are computed in the graph.

Each is converted with its stored output as the file's test vector, verified against it by modelconv, and run in C through
libapus. The input is the one that onnx's own runner uses: i / n for the i-th of n elements.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

import values

# What the suite states where it differs from rtol 1e-3.
RELATIVE_TOLERANCE = {"light_densenet121": 2e-3}


def write_data(model_path, folder):
    """A data set of the model: its input, and the stored outputs. Returns (input, outputs)."""
    model = onnx.load(model_path)
    initializers = {tensor.name for tensor in model.graph.initializer}
    (info,) = [value for value in model.graph.input if value.name not in initializers]
    shape = [dimension.dim_value or 1 for dimension in info.type.tensor_type.shape.dim]
    count = int(np.prod(shape))
    data = (np.arange(count).reshape(shape) / count).astype(np.float32)
    folder.mkdir()
    (folder / "input_0.pb").write_bytes(numpy_helper.from_array(data).SerializeToString())
    outputs = []
    for index, value in enumerate(model.graph.output):
        content = model_path.with_name(f"{model_path.stem}_output_{index}.pb").read_bytes()
        (folder / f"output_{index}.pb").write_bytes(content)
        outputs.append(values.load(folder / f"output_{index}.pb", value))
    return data, outputs


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError((result.stderr or result.stdout).strip()[-300:])
    return result.stdout


def check(model_path, work):
    """(seconds of converting, worst error of modelconv's and C's outputs as a part of the outputs' range)"""
    modelconv, program = os.environ["MODELCONV"], os.environ["RUN_MODEL"]
    rtol = RELATIVE_TOLERANCE.get(model_path.stem, values.RTOL)
    data, expected = write_data(model_path, work / "data")
    apus = str(work / "model.apus")
    began = time.monotonic()
    run(modelconv, "convert", str(model_path), "-o", apus, "--embed", str(work / "data"), "--rtol", str(rtol), "--atol",
        str(values.ATOL))
    seconds = time.monotonic() - began
    run(modelconv, "verify", apus, "--against", str(work / "data"), "--rtol", str(rtol), "--atol", str(values.ATOL))
    data.tofile(work / "input.raw")
    files = [work / f"output_{index}.raw" for index in range(len(expected))]
    run(program, apus, str(work / "input.raw"), *map(str, files))
    worst = 0.0
    for file, output in zip(files, expected):
        actual = np.fromfile(file, output.dtype).reshape(output.shape)
        found = values.difference(output, actual, file.name, rtol=rtol)
        if found:
            raise RuntimeError("in C: " + found)
        worst = max(worst, float(np.abs(actual - output).max() / np.abs(output).max()))
    return seconds, worst


def main():
    parser = argparse.ArgumentParser(prog="tools/conformance/light", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="FOLDER", help="the suite's data, where it is not the installed package's")
    options = parser.parse_args()
    data = Path(options.data) if options.data else Path(onnx.__file__).parent / "backend/test/data"
    failed = 0
    models = sorted((data / "light").glob("*.onnx"))
    print(f"{'model':24}  converted  error of range  result")
    for model in models:
        with tempfile.TemporaryDirectory(prefix="apus-light-") as work:
            try:
                seconds, worst = check(model, Path(work))
                print(f"{model.stem:24}  {seconds:7.1f} s  {worst:14.1e}  agrees, in C too", flush=True)
            except RuntimeError as error:
                failed += 1
                print(f"{model.stem:24}  FAILED: {error}", flush=True)
    print(f"{len(models) - failed} of {len(models)} light models convert, agree with their stored outputs, and run in C")
    sys.exit(1 if failed or not models else 0)


if __name__ == "__main__":
    main()
