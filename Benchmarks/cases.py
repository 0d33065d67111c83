"""What a row of the table needs on disk: inputs, reference outputs by ONNX Runtime, and what the row costs at least."""

import dataclasses
import json
import math

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

import models
import quantized

PRODUCTS = {"Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU"}


@dataclasses.dataclass
class Case:
    name: str
    title: str
    path: object        # the ONNX file
    list: object        # the runner's list of inputs and outputs
    inputs: dict
    outputs: dict
    operations: int     # of products and convolutions computed directly, a multiply-add counted as two
    weight_bytes: int   # of their constant operands
    bytes: int          # that a run reads or writes at least: weights as often as steps need them, inputs, outputs


def session(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])


def prepare(name, models_folder, folder):
    """Writes the model where it is missing, then inputs and outputs; what was computed before is taken from `folder`."""
    row = quantized.QUANTIZED.get(name)
    title = row.title if row else models.MODELS[name].title
    base = row.base if row else name
    path = quantized.write(name, models_folder) if row else models.write(name, models_folder)[0]
    inputs = models.inputs(base)
    folder = folder / name
    stated = folder / "case.json"
    if stated.exists() and stated.stat().st_mtime > path.stat().st_mtime:
        known = json.loads(stated.read_text())
        outputs = {key: np.fromfile(folder / file, dtype).reshape(shape) for key, file, dtype, shape in known["outputs"]}
        return Case(name, title, path, folder / "tensors", inputs, outputs, *known["cost"])
    operations, held, read = count(onnx.load(models.write(base, models_folder)[0]), inputs)
    if row:
        # 8 bits in the place of 32.
        held, read = held // 4, read // 4
    outputs = reference(path, inputs)
    write_tensors(folder, inputs, outputs)
    total = sum(v.nbytes for v in (*inputs.values(), *outputs.values()))
    cost = (operations, held, read + total)
    files = [(key, f"output_{i}", str(v.dtype), v.shape) for i, (key, v) in enumerate(outputs.items())]
    stated.write_text(json.dumps({"outputs": files, "cost": cost}))
    return Case(name, title, path, folder / "tensors", inputs, outputs, *cost)


def reference(path, inputs):
    """The outputs that ONNX Runtime computes."""
    run = session(str(path))
    names = [o.name for o in run.get_outputs()]
    return dict(zip(names, run.run(names, inputs)))


def write_tensors(folder, inputs, outputs):
    """Writes inputs and expected outputs with the list of them that the measuring programs read; returns the list."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for kind, values in (("input", inputs), ("output", outputs)):
        for i, (key, value) in enumerate(values.items()):
            file = folder / f"{kind}_{i}"
            np.ascontiguousarray(value).tofile(file)
            lines.append(" ".join(map(str, (kind, key, value.dtype, value.ndim, *value.shape, file))))
    (folder / "tensors").write_text("\n".join(lines) + "\n")
    return folder / "tensors"


def shapes_of(model, values, inputs):
    """Shapes of values in a run on `inputs`."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    known = {o.name for o in probe.graph.output} | {i.name for i in probe.graph.input}
    wanted = [v for v in dict.fromkeys(values) if v not in {i.name for i in probe.graph.input}]
    probe.graph.output.extend(onnx.ValueInfoProto(name=v) for v in wanted if v not in known)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    run = onnxruntime.InferenceSession(probe.SerializeToString(), options, ["CPUExecutionProvider"])
    results = dict(zip(wanted, run.run(wanted, inputs)))
    return {**{k: v.shape for k, v in inputs.items()}, **{k: v.shape for k, v in results.items()}}


def count(model, inputs):
    """(operations, bytes of constant operands, bytes of constant operands that a run reads)."""
    constants = {i.name: i for i in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    products = [n for n in model.graph.node if n.op_type in PRODUCTS]
    shapes = shapes_of(model, [v for n in products for v in (n.input[0], n.output[0]) if v not in constants], inputs)
    shapes.update((name, tuple(t.dims)) for name, t in constants.items())
    operations, held, read = 0, {}, 0
    for node in products:
        source, result = shapes[node.input[0]], shapes[node.output[0]]
        steps = 1
        if node.op_type in ("LSTM", "GRU"):
            steps, batch = source[0], source[1]
            operations += 2 * steps * batch * (math.prod(shapes[node.input[1]]) + math.prod(shapes[node.input[2]]))
        elif node.op_type == "Conv":
            operations += 2 * math.prod(result) * math.prod(shapes[node.input[1]][1:])
        elif node.op_type == "ConvTranspose":
            operations += 2 * math.prod(source) * math.prod(shapes[node.input[1]][1:])
        else:
            transposed = any(a.name == "transA" and a.i for a in node.attribute)
            operations += 2 * math.prod(result) * source[-2 if transposed else -1]
        for place, value in enumerate(node.input):
            if value in constants:
                size = numpy_helper.to_array(constants[value]).nbytes
                held[value] = size
                # The product with the inputs can be one for all steps; that with the state before can not.
                read += size * (steps if place == 2 and node.op_type in ("LSTM", "GRU") else 1)
    return operations, sum(held.values()), read
