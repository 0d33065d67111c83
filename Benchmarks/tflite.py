"""Writes the measured networks of products and convolutions as .tflite files, for LiteRT.

    python Benchmarks/tflite.py MODEL.onnx SHAPE MODEL.tflite      SHAPE is that of the only input, as 1,3,224,224

Pictures and weights become NHWC, as LiteRT has them; activations go into the operator before; padding that is not TensorFlow's
"same" becomes a Pad. That is what converters write.
"""

import sys

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import helper, numpy_helper

OPERATORS = schema.BuiltinOperator
OPTIONS = schema.BuiltinOptions
ACTIVATIONS = schema.ActivationFunctionType
WRITTEN = {"Conv", "MaxPool", "Gemm", "MatMul", "Flatten", "GlobalAveragePool", "Add", "Mul", "Concat", "HardSigmoid", "Relu",
           "Clip", "Sigmoid", "HardSwish"}
TO_NHWC = (0, 2, 3, 1)


class Unsupported(Exception):
    pass


class Writer:
    """The model as far as it is written: `values` has the tensor of each of the graph's values, `shapes` their NHWC shapes."""

    def __init__(self, graph, shape):
        self.nodes = list(graph.node)
        self.constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        self.readers = {}
        for node in self.nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.buffers, self.tensors, self.operators, self.codes = [schema.BufferT()], [], [], []
        self.values, self.shapes, self.flattened = {}, {}, {}
        self.results = [o.name for o in graph.output]
        (source,) = graph.input
        shape = tuple(shape[i] for i in TO_NHWC) if len(shape) == 4 else tuple(shape)
        self.input = self.result(source.name, shape)

    def tensor(self, name, shape, data=None):
        t = schema.TensorT()
        t.name, t.shape = name.encode(), np.array(shape, np.int32)
        t.type = schema.TensorType.INT32 if data is not None and data.dtype == np.int32 else schema.TensorType.FLOAT32
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.buffers.append(buffer)
            t.buffer = len(self.buffers) - 1
        self.tensors.append(t)
        return len(self.tensors) - 1

    def constant(self, data):
        return self.tensor(f"constant_{len(self.tensors)}", data.shape, data)

    def result(self, name, shape):
        self.shapes[name] = shape
        self.values[name] = self.tensor(name, shape)
        return self.values[name]

    def operator(self, code, inputs, output, options=None, kind=None):
        if code not in self.codes:
            self.codes.append(code)
        o = schema.OperatorT()
        o.opcodeIndex, o.inputs, o.outputs = self.codes.index(code), inputs, [output]
        if options is not None:
            o.builtinOptionsType, o.builtinOptions = kind, options
        self.operators.append(o)

    def activation(self, node):
        """What follows the node alone and can be a part of it: (the function, the name of its result)."""
        name = node.output[0]
        readers = self.readers.get(name, [])
        if len(readers) == 1 and name not in self.results:
            reader = readers[0]
            if reader.op_type == "Relu" or (reader.op_type == "Clip" and self.is_relu6(reader)):
                self.nodes.remove(reader)
                return ACTIVATIONS.RELU if reader.op_type == "Relu" else ACTIVATIONS.RELU6, reader.output[0]
        return ACTIVATIONS.NONE, name

    def is_relu6(self, node):
        return [float(self.constants[i]) for i in node.input[1:]] == [0, 6]

    def padded(self, name, pads):
        top, left, bottom, right = pads
        n, h, w, c = self.shapes[name]
        shape = (n, h + top + bottom, w + left + right, c)
        amounts = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
        padded = self.tensor(f"{name}_padded_{len(self.tensors)}", shape)
        inputs = [self.values[name], self.constant(amounts)]
        self.operator(OPERATORS.PAD, inputs, padded, schema.PadOptionsT(), OPTIONS.PadOptions)
        return padded, shape

    def window(self, name, attributes):
        """Input, padding and output extents of a convolution or pool."""
        kernel, strides = attributes["kernel_shape"], attributes.get("strides", [1, 1])
        pads = attributes.get("pads", [0] * 4)
        source, (_, h, w, _) = self.values[name], self.shapes[name]
        out = [(e + pads[i] + pads[i + 2] - kernel[i]) // strides[i] + 1 for i, e in enumerate((h, w))]
        same = [max((-(-e // strides[i]) - 1) * strides[i] + kernel[i] - e, 0) for i, e in enumerate((h, w))]
        padding = schema.Padding.VALID
        if any(pads):
            if [same[0] // 2, same[1] // 2, same[0] - same[0] // 2, same[1] - same[1] // 2] == list(pads):
                padding = schema.Padding.SAME
            else:
                source, _ = self.padded(name, pads)
        return source, padding, strides, out

    def convolution(self, node, attributes):
        source, padding, (stride_h, stride_w), out = self.window(node.input[0], attributes)
        w, group = self.constants[node.input[1]], attributes.get("group", 1)
        depthwise = group == self.shapes[node.input[0]][3] and w.shape[1] == 1
        if group > 1 and not depthwise:
            raise Unsupported("a convolution of several groups")
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        options.padding, options.strideH, options.strideW = padding, stride_h, stride_w
        options.dilationHFactor = options.dilationWFactor = 1
        if depthwise:
            options.depthMultiplier = w.shape[0] // group
        options.fusedActivationFunction, name = self.activation(node)
        weights = self.constant(w.transpose(1, 2, 3, 0) if depthwise else w.transpose(0, 2, 3, 1))
        inputs = [source, weights, self.constant(self.constants[node.input[2]])]
        output = self.result(name, (self.shapes[node.input[0]][0], *out, w.shape[0]))
        code, kind = (OPERATORS.DEPTHWISE_CONV_2D, OPTIONS.DepthwiseConv2DOptions) if depthwise else \
            (OPERATORS.CONV_2D, OPTIONS.Conv2DOptions)
        self.operator(code, inputs, output, options, kind)

    def maximum_pool(self, node, attributes):
        source, padding, strides, out = self.window(node.input[0], attributes)
        options = schema.Pool2DOptionsT()
        options.padding, (options.strideH, options.strideW) = padding, strides
        options.filterHeight, options.filterWidth = attributes["kernel_shape"]
        n, _, _, c = self.shapes[node.input[0]]
        self.operator(OPERATORS.MAX_POOL_2D, [source], self.result(node.output[0], (n, *out, c)), options, OPTIONS.Pool2DOptions)

    def fully_connected(self, node, weights, bias):
        options = schema.FullyConnectedOptionsT()
        options.fusedActivationFunction, name = self.activation(node)
        source = node.input[0]
        if source in self.flattened:  # columns of weights in the order of NHWC
            h, w, c = self.flattened[source]
            weights = weights.reshape(-1, c, h, w).transpose(0, 2, 3, 1).reshape(len(weights), -1)
        inputs = [self.values[source], self.constant(weights)] + ([self.constant(bias)] if bias is not None else [-1])
        output = self.result(name, (self.shapes[source][0], weights.shape[0]))
        self.operator(OPERATORS.FULLY_CONNECTED, inputs, output, options, OPTIONS.FullyConnectedOptions)

    def elementwise(self, node, code, options, kind):
        options.fusedActivationFunction, name = self.activation(node)
        shape = np.broadcast_shapes(*(self.shapes[i] for i in node.input))
        self.operator(code, [self.values[i] for i in node.input], self.result(name, shape), options, kind)

    def with_number(self, source, number, code, options, kind, output, activation=ACTIVATIONS.NONE):
        options.fusedActivationFunction = activation
        self.operator(code, [source, self.constant(np.array(number, np.float32))], output, options, kind)

    def write(self, node):
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        kind, source, target = node.op_type, node.input[0], node.output[0]
        shape = self.shapes.get(source)
        if kind == "Conv":
            self.convolution(node, attributes)
        elif kind == "MaxPool":
            self.maximum_pool(node, attributes)
        elif kind == "Gemm" and attributes.get("transB") == 1:
            self.fully_connected(node, self.constants[node.input[1]], self.constants[node.input[2]])
        elif kind == "MatMul" and node.input[1] in self.constants and len(shape) == 2:
            self.fully_connected(node, self.constants[node.input[1]].T, None)
        elif kind == "Flatten":
            self.flattened[target] = shape[1:]
            options = schema.ReshapeOptionsT()
            options.newShape = [shape[0], int(np.prod(shape[1:]))]
            inputs = [self.values[source], self.constant(np.array(options.newShape, np.int32))]
            output = self.result(target, tuple(options.newShape))
            self.operator(OPERATORS.RESHAPE, inputs, output, options, OPTIONS.ReshapeOptions)
        elif kind == "GlobalAveragePool":
            options = schema.ReducerOptionsT()
            options.keepDims = True
            inputs = [self.values[source], self.constant(np.array([1, 2], np.int32))]
            output = self.result(target, (shape[0], 1, 1, shape[3]))
            self.operator(OPERATORS.MEAN, inputs, output, options, OPTIONS.ReducerOptions)
        elif kind == "Add" and all(i in self.values for i in node.input):
            self.elementwise(node, OPERATORS.ADD, schema.AddOptionsT(), OPTIONS.AddOptions)
        elif kind == "Mul" and all(i in self.values for i in node.input):
            self.elementwise(node, OPERATORS.MUL, schema.MulOptionsT(), OPTIONS.MulOptions)
        elif kind == "Concat" and attributes["axis"] == 1 and len(shape) == 4:
            options = schema.ConcatenationOptionsT()
            options.axis = 3
            shape = (*shape[:3], sum(self.shapes[i][3] for i in node.input))
            self.operator(OPERATORS.CONCATENATION, [self.values[i] for i in node.input], self.result(target, shape), options,
                          OPTIONS.ConcatenationOptions)
        elif kind == "HardSigmoid":
            middle = self.tensor(f"{target}_clipped", shape)
            self.with_number(self.values[source], 3, OPERATORS.ADD, schema.AddOptionsT(), OPTIONS.AddOptions, middle,
                             ACTIVATIONS.RELU6)
            self.with_number(middle, 1 / 6, OPERATORS.MUL, schema.MulOptionsT(), OPTIONS.MulOptions, self.result(target, shape))
        elif kind in ("Relu", "Sigmoid", "HardSwish"):
            code = {"Relu": OPERATORS.RELU, "Sigmoid": OPERATORS.LOGISTIC, "HardSwish": OPERATORS.HARD_SWISH}[kind]
            self.operator(code, [self.values[source]], self.result(target, shape))
        else:
            raise Unsupported(f"Benchmarks/tflite.py does not write this form of {kind}")

    def finish(self):
        while self.nodes:
            self.write(self.nodes.pop(0))
        graph, model = schema.SubGraphT(), schema.ModelT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = [self.input], [self.values[name] for name in self.results]
        model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], self.buffers, []
        for code in self.codes:
            entry = schema.OperatorCodeT()
            entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), 1
            model.operatorCodes.append(entry)
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        return builder.Output()


def main():
    source, shape, target = sys.argv[1:]
    try:
        graph = onnx.load(source).graph
        if len(graph.input) != 1:
            raise Unsupported("more than one input")
        foreign = sorted({node.op_type for node in graph.node} - WRITTEN)
        if foreign:
            raise Unsupported(f"Benchmarks/tflite.py does not write {', '.join(foreign)}")
        content = Writer(graph, [int(e) for e in shape.split(",")]).finish()
    except Unsupported as reason:
        sys.exit(f"no .tflite file: {reason}")
    with open(target, "wb") as file:
        file.write(content)


if __name__ == "__main__":
    main()
