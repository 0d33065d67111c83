"""Checkpoints of ApusTraining as ONNX files: the same graph and weights for every runtime.

    python Benchmarks/checkpoints.py lenet.safetensors lenet.onnx

A checkpoint carries its traced graph in ONNX's operators (Sources/ApusTraining/Export/GRAPH_JSON.md).
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

OPSET = 22
IR_VERSION = 10
TYPES = {"F32": np.float32, "I64": np.int64}


def read(path):
    """(tensors by name, metadata) of a safetensors file."""
    content = Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8:8 + length])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        data = content[8 + length + begin:8 + length + end]
        tensors[name] = np.frombuffer(data, TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata


def value_info(value):
    kind = onnx.TensorProto.DataType.Value({"float32": "FLOAT", "int64": "INT64"}[value["type"]["element"]])
    return helper.make_tensor_value_info(value["name"], kind, value["type"]["shape"])


def model(path):
    tensors, metadata = read(path)
    graph = json.loads(metadata["apus.graph"])
    initializers = []
    for entry in graph["initializers"]:
        if "tensor" in entry:
            array = tensors[entry["tensor"]]
        else:
            array = np.array(entry["integers"], np.dtype(entry["element"])).reshape(entry["shape"])
        initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), entry["name"]))
    nodes = []
    for node in graph["nodes"]:
        attributes = {a["name"]: a["value"] for a in node["attributes"]}
        for attribute in node["attributes"]:
            if attribute["type"] == "float":
                attributes[attribute["name"]] = float(attribute["value"])
        domain = "" if node["domain"] == "ai.onnx" else node["domain"]
        nodes.append(helper.make_node(node["operator"], node["inputs"], node["outputs"], name=node["name"], domain=domain,
                                      **attributes))
    outputs = [onnx.ValueInfoProto(name=o["name"]) if "type" not in o else value_info(o) for o in graph["outputs"]]
    made = helper.make_model(
        helper.make_graph(nodes, graph["name"] or "graph", [value_info(i) for i in graph["inputs"]], outputs, initializers),
        opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    made = onnx.shape_inference.infer_shapes(made)
    onnx.checker.check_model(made)
    return made


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: checkpoints.py CHECKPOINT.safetensors MODEL.onnx")
    onnx.save(model(sys.argv[1]), sys.argv[2])


if __name__ == "__main__":
    main()
