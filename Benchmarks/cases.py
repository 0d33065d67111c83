"""What a row of the table needs on disk: inputs, reference outputs by ONNX Runtime, and what the row costs at least."""

import dataclasses
import json
import math

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

import models

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
    path, _ = models.write(name, models_folder)
    inputs = models.inputs(name)
    folder = folder / name
    stated = folder / "case.json"
    if stated.exists() and stated.stat().st_mtime > path.stat().st_mtime:
        known = json.loads(stated.read_text())
        outputs = {key: np.fromfile(folder / file, dtype).reshape(shape) for key, file, dtype, shape in known["outputs"]}
        return Case(name, models.MODELS[name].title, path, folder / "tensors", inputs, outputs, *known["cost"])
    folder.mkdir(parents=True, exist_ok=True)
    model = onnx.load(path)
    cost = count(model, inputs)
    run = session(str(path))
    names = [o.name for o in run.get_outputs()]
    outputs = dict(zip(names, run.run(names, inputs)))
    lines, files = [], []
    for kind, values in (("input", inputs), ("output", outputs)):
        for i, (key, value) in enumerate(values.items()):
            file = f"{kind}_{i}"
            value.tofile(folder / file)
            lines.append(" ".join(map(str, (kind, key, value.dtype, value.ndim, *value.shape, folder / file))))
            if kind == "output":
                files.append((key, file, str(value.dtype), value.shape))
    (folder / "tensors").write_text("\n".join(lines) + "\n")
    total = sum(v.nbytes for v in (*inputs.values(), *outputs.values()))
    cost = (cost[0], cost[1], cost[2] + total)
    stated.write_text(json.dumps({"outputs": files, "cost": cost}))
    return Case(name, models.MODELS[name].title, path, folder / "tensors", inputs, outputs, *cost)


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
