"""The rows of 8-bit models: made by onnxruntime's quantizer of the float models of models.py, calibrated on seeded inputs. Every
runtime gets the same file.

    python Benchmarks/quantized.py build/bench/models [NAME...]
"""

import argparse
import dataclasses
import logging
from pathlib import Path

import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

import models

CALIBRATION = 8  # runs that a static model's ranges are taken from


@dataclasses.dataclass(frozen=True)
class Quantized:
    """`static`: QuantizeLinear and DequantizeLinear around every layer; `dynamic`: ranges at run time. Weights per channel."""
    base: str
    form: str

    @property
    def title(self):
        return f"{models.MODELS[self.base].title}, {self.form}"


QUANTIZED = {
    "resnet50_int8": Quantized("resnet50", "static"),
    "mobilenet_v2_int8": Quantized("mobilenet_v2", "static"),
    "minilm_128_int8": Quantized("minilm_128", "dynamic"),
    "lstm_int8": Quantized("lstm", "dynamic"),
    "mlp_int8": Quantized("mlp", "dynamic"),
}


class Samples(CalibrationDataReader):
    def __init__(self, samples):
        self.samples = iter(samples)

    def get_next(self):
        return next(self.samples, None)


def prepared(source, target):
    """The model as onnxruntime asks for it before quantizing: shapes inferred, batch normalization folded."""
    quant_pre_process(str(source), str(target), skip_symbolic_shape=True)
    return target


def quantize(source, target, form, samples=()):
    """Writes the quantized model of a float one, whole or not at all."""
    logging.getLogger().setLevel(logging.ERROR)
    float_model, partial = target.with_suffix(".float.onnx"), target.with_suffix(".partial.onnx")
    try:
        prepared(source, float_model)
        if form == "dynamic":
            quantize_dynamic(str(float_model), str(partial), per_channel=True, weight_type=QuantType.QInt8)
        else:
            quantize_static(str(float_model), str(partial), Samples(samples), quant_format=QuantFormat.QDQ, per_channel=True,
                            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        partial.rename(target)
    finally:
        float_model.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)
    return target


def write(name, folder):
    """Writes the row's file unless it is there."""
    row = QUANTIZED[name]
    source, _ = models.write(row.base, folder)
    target = folder / f"{source.stem}_int8_{row.form}.onnx"
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        samples = [models.inputs(row.base, models.SEED + 1 + i) for i in range(CALIBRATION)] if row.form == "static" else ()
        quantize(source, target, row.form, samples)
    return target


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", default=list(QUANTIZED))
    options = parser.parse_args()
    for name in options.names:
        path = write(name, options.folder)
        counts = {}
        for node in onnx.load(path).graph.node:
            counts[node.op_type] = counts.get(node.op_type, 0) + 1
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; " + ", ".join(f"{n} {o}" for o, n in counts.items()), flush=True)


if __name__ == "__main__":
    main()
