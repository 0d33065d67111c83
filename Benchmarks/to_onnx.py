"""Writes the graph of an Apus checkpoint as an ONNX model, node by node, with the onnx package's helpers.

Apus's operators are ONNX's, so each node becomes the node of the same name; nothing is optimized or folded.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ELEMENTS = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}
OPSET = 22


def convert(graph, tensors, path):
    def value(entry):
        kind = entry.get("type")
        if kind is None:
            return helper.make_tensor_value_info(entry["name"], TensorProto.FLOAT, None)
        return helper.make_tensor_value_info(entry["name"], ELEMENTS[kind["element"]], kind.get("shape"))

    initializers = []
    for entry in graph["initializers"]:
        if "tensor" in entry:
            initializers.append(numpy_helper.from_array(np.ascontiguousarray(tensors[entry["tensor"]]), entry["name"]))
        else:
            array = np.array(entry["integers"], dtype=entry["element"]).reshape(entry["shape"])
            initializers.append(numpy_helper.from_array(array, entry["name"]))
    nodes = []
    for entry in graph["nodes"]:
        attributes = {a["name"]: a["value"] for a in entry["attributes"]}
        domain = "" if entry["domain"] == "ai.onnx" else entry["domain"]
        nodes.append(helper.make_node(entry["operator"], entry["inputs"], entry["outputs"], name=entry["name"],
                                      domain=domain, **attributes))
    body = helper.make_graph(nodes, graph["name"] or "graph", [value(v) for v in graph["inputs"]],
                             [value(v) for v in graph["outputs"]], initializers)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="apus-bench", ir_version=10)
    model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return model


def operations(model, batch):
    """Floating-point operations of one run: two for each multiply-add of Conv, Gemm and MatMul; the rest is not counted."""
    shapes = {}
    for info in [*model.graph.input, *model.graph.value_info, *model.graph.output]:
        dimensions = info.type.tensor_type.shape.dim
        shapes[info.name] = [d.dim_value if d.HasField("dim_value") else batch for d in dimensions]
    for tensor in model.graph.initializer:
        shapes[tensor.name] = list(tensor.dims)
    total = 0
    for node in model.graph.node:
        outputs = int(np.prod(shapes[node.output[0]]))
        if node.op_type == "Conv":
            total += 2 * outputs * int(np.prod(shapes[node.input[1]][1:]))
        elif node.op_type == "Gemm":
            transposed = any(a.name == "transA" and a.i for a in node.attribute)
            total += 2 * outputs * shapes[node.input[0]][0 if transposed else 1]
        elif node.op_type == "MatMul":
            total += 2 * outputs * shapes[node.input[0]][-1]
    return total


def weight_bytes(model):
    return sum(len(t.raw_data) for t in model.graph.initializer)
