"""The models that are measured: writes them as ONNX files, with seeded random weights, and their inputs. Needs no download but
for the two that come with a package.

    python Benchmarks/models.py build/bench/models [NAME...]
"""

import argparse
import dataclasses
import functools
import importlib.util
import math
import shutil
from pathlib import Path

import numpy as np
import onnx

from networks import dense, mobile, sequence

SEED = 20260101


@dataclasses.dataclass(frozen=True)
class Model:
    """A file, and the shapes of its inputs in one row of the table. `millions`: parameters that the published network has."""
    file: str
    build: object = None  # a function from a seed to a Builder; or a path in an installed package, of a file that comes with it
    shapes: dict = dataclasses.field(default_factory=dict)
    integers: dict = dataclasses.field(default_factory=dict)  # inputs of int64: how large their elements are at most
    millions: float = 0
    title: str = ""


def pictures(batch):
    return {"input": (batch, 3, 224, 224)}


def text(length):
    return {name: (1, length) for name in ("input_ids", "attention_mask", "token_type_ids")}


def cache(past):
    keys = {f"past_key_values.{i}.{kind}": (1, 8, past, 64) for i in range(6) for kind in ("key", "value")}
    return {"input_ids": (1, 1), "position_ids": (1, 1), **keys}


TINY, SMALL, MLP = (64, 64, 32, 10), (784, 128, 64, 10), (784, 512, 512, 10)
OCR = "rapidocr_onnxruntime/models/ch_PP-OCRv4_{}_infer.onnx"
IDS = {"input_ids": 8000, "attention_mask": 1, "token_type_ids": 1, "position_ids": 1000}


def perceptron(name, widths):
    return functools.partial(dense.perceptron, name=name, widths=widths)


MODELS = {
    "mlp_tiny": Model("mlp_tiny", perceptron("mlp_tiny", TINY), {"input": (1, 64)}, title="MLP 64-64-32-10"),
    "mlp_small": Model("mlp_small", perceptron("mlp_small", SMALL), {"input": (1, 784)}, title="MLP 784-128-64-10"),
    "mlp": Model("mlp", perceptron("mlp", MLP), {"input": (1, 784)}, title="MLP 784-512-512-10"),
    "lenet5": Model("lenet5", dense.lenet5, {"input": (1, 1, 28, 28)}, millions=0.0617, title="LeNet-5"),
    "resnet18": Model("resnet18", dense.resnet18, pictures(1), millions=11.7, title="ResNet-18"),
    "resnet50": Model("resnet50", dense.resnet50, pictures(1), millions=25.6, title="ResNet-50"),
    "mobilenet_v2": Model("mobilenet_v2", mobile.mobilenet_v2, pictures(1), millions=3.5, title="MobileNetV2"),
    "mobilenet_v3_large": Model("mobilenet_v3_large", mobile.mobilenet_v3_large, pictures(1), millions=5.5,
                                title="MobileNetV3-large"),
    "squeezenet": Model("squeezenet", dense.squeezenet, pictures(1), millions=1.24, title="SqueezeNet 1.1"),
    "efficientnet_b0": Model("efficientnet_b0", mobile.efficientnet_b0, pictures(1), millions=5.3, title="EfficientNet-B0"),
    "vgg16": Model("vgg16", dense.vgg16, pictures(1), millions=138.4, title="VGG-16"),
    "ocr_detector": Model("ocr_detector", OCR.format("det"), {"x": (1, 3, 640, 640)}, title="PP-OCRv4 detector"),
    "ocr_recogniser": Model("ocr_recogniser", OCR.format("rec"), {"x": (1, 3, 48, 320)}, title="PP-OCRv4 recogniser"),
    **{f"minilm_{n}": Model("minilm", sequence.minilm, text(n), IDS, 22.6, f"MiniLM-L6, {n} tokens") for n in (32, 128, 384)},
    "lstm": Model("lstm", sequence.lstm, {"input": (100, 1, 256)}, title="LSTM 2x512, 100 steps"),
    "gru": Model("gru", sequence.gru, {"input": (100, 1, 128)}, title="GRU 2x256, 100 steps"),
    "decoder": Model("decoder", sequence.decoder, cache(128), IDS, title="GPT-2-like decoder, a token behind 128"),
    **{f"matmul_{n}": Model(f"matmul_{n}", functools.partial(dense.matmul, rows=n), {"input": (n, 1024)},
                            title=f"MatMul {n} x 1024 x 1024") for n in (1, 8, 128)},
    "mlp_b8": Model("mlp", perceptron("mlp", MLP), {"input": (8, 784)}, title="MLP 784-512-512-10, batch 8"),
    "resnet50_b8": Model("resnet50", dense.resnet50, pictures(8), millions=25.6, title="ResNet-50, batch 8"),
    "mobilenet_v2_b8": Model("mobilenet_v2", mobile.mobilenet_v2, pictures(8), millions=3.5, title="MobileNetV2, batch 8"),
}


def write(name, folder):
    """Writes the model's file unless it is there; returns its path and its number of parameters (None: it was there)."""
    model = MODELS[name]
    path = folder / f"{model.file}.onnx"
    if path.exists():
        return path, None
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(model.build, str):
        package, _, inside = model.build.partition("/")
        shutil.copyfile(Path(importlib.util.find_spec(package).origin).parent / inside, path)
        return path, None
    built = model.build(SEED)
    millions = built.parameters / 1e6
    if model.millions and not math.isclose(millions, model.millions, rel_tol=0.02):
        raise AssertionError(f"{name}: {millions:.2f} million parameters, {model.millions} expected")
    onnx.save(built.model(), path)
    return path, built.parameters


def inputs(name, seed=SEED):
    """The inputs of a row of the table, by name: normal numbers, or whole ones where the model takes those."""
    generator = np.random.default_rng(seed)
    model = MODELS[name]
    result = {}
    for key, shape in model.shapes.items():
        if key == "attention_mask":
            result[key] = np.ones(shape, np.int64)
        elif key in model.integers:
            result[key] = generator.integers(0, model.integers[key] + 1, shape, np.int64)
        else:
            result[key] = generator.standard_normal(shape, np.float32)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", default=[n for n, m in MODELS.items() if not isinstance(m.build, str)])
    options = parser.parse_args()
    for name in options.names:
        path, parameters = write(name, options.folder)
        if parameters is not None:
            print(f"{path}: {parameters / 1e6:.3f} million parameters, {path.stat().st_size / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
