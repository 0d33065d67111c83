"""What runner.c does, for runtimes whose packages have no C interface: python_runner.py ncnn|ncnn16|litert MODEL TENSORS CPU,...

Python's part of a call is measured and taken off: the same calls where the runtime has nothing to compute.
"""

import json
import os
import re
import sys
import time

import numpy as np

LEAST_RUNS = 3
MAXIMUM_SAMPLES = 200_000
CALIBRATION_RUNS = 300


def read_tensors(path):
    inputs, outputs = {}, {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            kind, name, dtype, rank, *rest = line.split()
            shape = tuple(map(int, rest[:int(rank)]))
            values = np.fromfile(" ".join(rest[int(rank):]), dtype).reshape(shape)
            (inputs if kind == "input" else outputs)[name] = values
    return inputs, outputs


class Ncnn:
    """A .param file that pnnx wrote, with its .bin beside it. Blobs are in0 ... and out0 ..., without a batch axis."""

    def __init__(self, path, threads, inputs, outputs, half=False):
        import ncnn
        self.version = ncnn.__version__
        self.net = ncnn.Net()
        option = self.net.opt
        option.num_threads = threads
        option.use_vulkan_compute = False
        for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
            setattr(option, name, half and name != "use_bf16_storage")
        if self.net.load_param(path) != 0 or self.net.load_model(path.removesuffix(".param") + ".bin") != 0:
            raise RuntimeError("ncnn can not load the model")
        self.inputs = [(f"in{i}", ncnn.Mat(self.squeeze(v)).clone()) for i, v in enumerate(inputs.values())]
        self.names = [f"out{i}" for i in range(len(outputs))]
        self.shapes = [v.shape for v in outputs.values()]

    @staticmethod
    def squeeze(values):
        values = values.astype(np.int32) if values.dtype == np.int64 else values
        if values.ndim == 4 or (values.ndim == 2 and values.shape[0] == 1):
            values = values[0]
        elif values.ndim == 3:  # sequences: [steps, 1, features]
            values = values[:, 0]
        return np.ascontiguousarray(values)

    def feed(self):
        extractor = self.net.create_extractor()
        for name, value in self.inputs:
            extractor.input(name, value)
        return extractor

    def run(self):
        extractor = self.feed()
        self.results = [extractor.extract(name)[1] for name in self.names]

    def nothing(self):
        extractor = self.feed()
        for name, _ in self.inputs:
            extractor.extract(name)

    def outputs(self):
        return [np.array(r).reshape(s) for r, s in zip(self.results, self.shapes)]


class LiteRt:
    """A .tflite file, on XNNPACK. Pictures are NHWC there, as they would be in such a program."""

    def __init__(self, path, threads, inputs, outputs):
        import ai_edge_litert
        from ai_edge_litert.interpreter import Interpreter
        self.version = ai_edge_litert.__version__
        self.interpreter = Interpreter(path, num_threads=threads)
        self.interpreter.allocate_tensors()
        for detail, values in zip(self.interpreter.get_input_details(), inputs.values()):
            values = values.transpose(0, 2, 3, 1) if values.ndim == 4 else values
            self.interpreter.set_tensor(detail["index"], np.ascontiguousarray(values))
        self.shapes = [v.shape for v in outputs.values()]
        self.run = self.interpreter._interpreter.Invoke  # without the check for references that invoke() makes

    def nothing(self):
        pass

    def outputs(self):
        return [self.interpreter.get_tensor(d["index"]).reshape(s)
                for d, s in zip(self.interpreter.get_output_details(), self.shapes)]


def difference(actual, expected):
    worst = 0.0
    for a, e in zip(actual, expected):
        apart, largest = np.abs(a.astype(np.float64) - e).max(), np.abs(e).max()
        worst = max(worst, apart / largest if largest > 0 else apart) if np.isfinite(apart) else 1e30
    return worst


def times(function, seconds, least, most, clock=time.perf_counter):
    samples = []
    began = clock()
    until = began + seconds
    while (began < until or len(samples) < least) and len(samples) < most:
        function()
        ended = clock()
        samples.append(ended - began)
        began = ended
    return np.array(samples) * 1e6


def peak_megabytes():
    with open("/proc/self/status", encoding="utf-8") as file:
        return int(re.search(r"VmHWM:\s+(\d+)", file.read())[1]) / 1024


def main():
    kind, path, tensors, cpus = sys.argv[1:]
    cpus = [int(c) for c in cpus.split(",")]
    os.sched_setaffinity(0, cpus)
    inputs, outputs = read_tensors(tensors)

    before, began = peak_megabytes(), time.perf_counter()
    if kind == "litert":
        runtime = LiteRt(path, len(cpus), inputs, outputs)
    else:
        runtime = Ncnn(path, len(cpus), inputs, outputs, kind == "ncnn16")
    opened = time.perf_counter()
    runtime.run()
    ended = time.perf_counter()
    first = {"version": runtime.version, "open_ms": 1e3 * (opened - began), "first_ms": 1e3 * (ended - opened),
             "peak_mb": peak_megabytes(), "python_mb": before}
    first["difference"] = difference(runtime.outputs(), outputs.values())
    print(json.dumps(first), flush=True)
    for line in sys.stdin:
        command, seconds = line.split()
        clock = time.process_time if command == "cpu" else time.perf_counter
        runtime.run()
        calling = times(runtime.nothing, 0, CALIBRATION_RUNS, CALIBRATION_RUNS, clock).min()
        samples = times(runtime.run, float(seconds), LEAST_RUNS, MAXIMUM_SAMPLES, clock) - calling
        answer = {"median": float(np.median(samples)), "minimum": float(samples.min()), "runs": len(samples)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
