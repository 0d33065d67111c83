"""How each runtime gets its model file and is started."""

import functools
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

from turns import Failure, Runner

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


def package(name):
    return Path(importlib.util.find_spec(name).origin).parent


@functools.cache
def once(target, source, *command):
    """Runs a converter where `target` is missing or older than `source`; returns None or why that failed."""
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        target.parent.mkdir(parents=True, exist_ok=True)
        result = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, timeout=600)
        if result.returncode != 0 or not target.exists():
            lines = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
            told = [line for line in lines if "error" in line or "reason" in line] or lines[-1:]
            return " ".join(told[0].split())[:300] if told else f"exit code {result.returncode}"
    return None


def convert(target, source, *command):
    if reason := once(target, source, *command):
        raise Failure(f"conversion: {reason}")


class Apus:
    """.apus files with raw segments: those that a program maps. The release build of modelconv writes them."""
    title = "Apus"

    def __init__(self, build):
        self.build = build
        self.modelconv = Path(os.environ.get("MODELCONV", ROOT / ".build/release/modelconv"))

    weights = "fp32"

    def file(self, case):
        target = self.build / "models" / f"{case.path.stem}{'' if self.weights == 'fp32' else '-' + self.weights}.apus"
        convert(target, case.path, self.modelconv, "convert", case.path, "-o", target, "--codec", "raw",
                "--weights", self.weights)
        return target

    def start(self, case, cpus):
        return Runner([self.build / "run-apus", self.file(case), case.list, cpus])

    def second_session(self, case):
        """Resident memory with one session and with two, and what a session and the packed weights take by themselves."""
        command = [self.build / "shared", self.file(case), case.list]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def library_bytes(self):
        return (ROOT / "build/libapus.so").stat().st_size


class ApusHalf(Apus):
    """The same with weights of 16 bits."""
    title, weights = "Apus, 16-bit weights", "fp16"


class OnnxRuntime:
    title = "ONNX Runtime"

    def __init__(self, build):
        self.build = build
        (self.library,) = (package("onnxruntime") / "capi").glob("libonnxruntime.so.*")

    def start(self, case, cpus):
        return Runner([self.build / "run-ort", case.path, case.list, cpus])

    def library_bytes(self):
        return self.library.stat().st_size


class OpenVino:
    title = "OpenVINO"

    def __init__(self, build):
        self.build = build
        self.libraries = package("openvino") / "libs"

    def start(self, case, cpus):
        return Runner([self.build / "run-openvino", case.path, case.list, cpus])

    def library_bytes(self):
        """Those that a program needs which runs ONNX files on a CPU."""
        needed = ("libopenvino.so", "libopenvino_c.so", "libopenvino_intel_cpu_plugin.so", "libopenvino_onnx_frontend.so",
                  "libtbb.so", "libhwloc.so")
        return sum(f.stat().st_size for f in self.libraries.iterdir() if f.name.startswith(needed))


class Tract:
    """One thread, whatever the row says."""
    title = "tract"

    def __init__(self, build):
        self.build = build
        (self.library,) = package("tract").glob("tract.*.so")

    def start(self, case, cpus):
        return Runner([self.build / "run-tract", case.path, case.list, cpus])

    def library_bytes(self):
        return self.library.stat().st_size


class Python:
    """A runtime without a C interface in its package: `kind` is what runners/python_runner.py calls it."""

    def __init__(self, build):
        self.build = build

    def run(self, model, case, cpus):
        return Runner([sys.executable, HERE / "runners/python_runner.py", self.kind, model, case.list, cpus])

    @staticmethod
    def shapes(case):
        return [",".join(map(str, v.shape)) for v in case.inputs.values()]


class Ncnn(Python):
    """Files that pnnx makes, with float32 weights and arithmetic. ncnn has no batch axis."""
    title, kind = "ncnn", "ncnn"

    def start(self, case, cpus):
        if "batch" in case.title:
            raise Failure("ncnn has no batch axis")
        folder = self.build / "ncnn" / case.name
        folder.mkdir(parents=True, exist_ok=True)
        # pnnx writes next to its source.
        source = folder / case.path.name
        if not source.exists():
            source.symlink_to(case.path.resolve())
        types = ["i64" if v.dtype.kind == "i" else "f32" for v in case.inputs.values()]
        shapes = ",".join(f"[{s}]{t}" for s, t in zip(self.shapes(case), types))
        target = source.with_suffix(".ncnn.param")
        convert(target, case.path, package("pnnx") / "pnnx", source, f"inputshape={shapes}", "fp16=0")
        return self.run(target, case, cpus)

    def library_bytes(self):
        return sum(f.stat().st_size for f in package("ncnn").glob("ncnn.*.so"))


class NcnnHalf(Ncnn):
    """The same with what ncnn does by default: 16-bit weights, where the layer has a kernel for them."""
    title, kind = "ncnn, 16-bit weights", "ncnn16"


class LiteRt(Python):
    title, kind = "LiteRT", "litert"

    def start(self, case, cpus):
        if len(case.inputs) != 1:
            raise Failure("no .tflite file: more than one input")
        target = self.build / "tflite" / f"{case.name}.tflite"
        convert(target, case.path, sys.executable, HERE / "tflite.py", case.path, *self.shapes(case), target)
        return self.run(target, case, cpus)

    def library_bytes(self):
        return (package("ai_edge_litert") / "libpywrap_litert_common.so").stat().st_size


PEERS = {"apus": Apus, "ort": OnnxRuntime, "openvino": OpenVino, "ncnn": Ncnn, "litert": LiteRt, "tract": Tract,
         "apus16": ApusHalf, "ncnn16": NcnnHalf}
