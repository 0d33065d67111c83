"""Builds ONNX graphs node by node, with seeded weights that keep activations near unit variance."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8


class Builder:
    """A graph under construction. Methods take and return names of values; those of weights make initializers.

    Channels, lengths and names of operators are those of exporters of PyTorch; batch normalization is folded into the convolution
    before it, as they do for inference.
    """

    def __init__(self, name, seed, opset=OPSET):
        self.name = name
        self.opset = opset
        self.generator = np.random.default_rng(seed)
        self.nodes, self.initializers, self.inputs, self.outputs = [], [], [], []
        self.parameters = 0
        self.channels = {}
        self.constants = {}

    def input(self, name, shape, element=TensorProto.FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, element, shape))
        if len(shape) == 4:
            self.channels[name] = shape[1]
        return name

    def output(self, value, shape, name=None, element=TensorProto.FLOAT):
        """Makes `value` an output of the graph; `name`, if given, replaces the one that its node has."""
        if name is not None:
            for node in self.nodes:
                node.output[:] = [name if o == value else o for o in node.output]
                node.input[:] = [name if i == value else i for i in node.input]
            value = name
        self.outputs.append(helper.make_tensor_value_info(value, element, shape))

    def node(self, operator, inputs, outputs=1, **attributes):
        names = [f"{operator.lower()}_{len(self.nodes)}" + (f"_{i}" if i else "") for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, name=f"{operator}_{len(self.nodes)}", **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, values, dtype):
        """An initializer that is no parameter of the network; equal ones are one."""
        array = np.array(values, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.constants:
            self.constants[key] = f"constant_{len(self.initializers)}"
            self.initializers.append(numpy_helper.from_array(array, self.constants[key]))
        return self.constants[key]

    def integers(self, *values):
        return self.constant(list(values), np.int64)

    def scalar(self, value):
        return self.constant(value, np.float32)

    def weight(self, shape, deviation, mean=0.0):
        array = self.generator.standard_normal(shape, np.float32)
        array = array * np.float32(deviation) + np.float32(mean)
        name = f"weight_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(array, name))
        self.parameters += array.size
        return name

    def convolution(self, x, outputs, kernel, stride=1, padding=None, groups=1, gain=2.0):
        """Convolution with bias; weights of variance gain / fan-in. `padding` defaults to half of the kernel."""
        padding = kernel // 2 if padding is None else padding
        inputs = self.channels[x] // groups
        w = self.weight((outputs, inputs, kernel, kernel), np.sqrt(gain / (inputs * kernel * kernel)))
        b = self.weight((outputs,), 0.05)
        y = self.node("Conv", [x, w, b], dilations=[1, 1], group=groups, kernel_shape=[kernel] * 2, pads=[padding] * 4,
                      strides=[stride] * 2)
        self.channels[y] = outputs
        return y

    def pointwise(self, operator, inputs, **attributes):
        """Operators that keep the channels of their first input."""
        y = self.node(operator, inputs, **attributes)
        if inputs[0] in self.channels:
            self.channels[y] = self.channels[inputs[0]]
        return y

    def relu(self, x):
        return self.pointwise("Relu", [x])

    def relu6(self, x):
        return self.pointwise("Clip", [x, self.scalar(0), self.scalar(6)])

    def silu(self, x):
        return self.pointwise("Mul", [x, self.pointwise("Sigmoid", [x])])

    def hard_swish(self, x):
        return self.pointwise("HardSwish", [x])

    def add(self, a, b):
        return self.pointwise("Add", [a, b])

    def maximum_pool(self, x, kernel, stride, padding=0, ceiling=0):
        return self.pointwise("MaxPool", [x], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[padding] * 4,
                              ceil_mode=ceiling)

    def global_average_pool(self, x):
        return self.pointwise("GlobalAveragePool", [x])

    def flatten(self, x):
        return self.node("Flatten", [x], axis=1)

    def concatenate(self, values, axis):
        y = self.node("Concat", values, axis=axis)
        if axis == 1 and all(v in self.channels for v in values):
            self.channels[y] = sum(self.channels[v] for v in values)
        return y

    def gemm(self, x, inputs, outputs, gain=2.0):
        """A linear layer on rows, as exporters write torch.nn.Linear for two axes."""
        w, b = self.weight((outputs, inputs), np.sqrt(gain / inputs)), self.weight((outputs,), 0.05)
        return self.node("Gemm", [x, w, b], alpha=1.0, beta=1.0, transB=1)

    def linear(self, x, inputs, outputs, gain=1.0):
        """A linear layer on more than two axes: MatMul and Add."""
        w, b = self.weight((inputs, outputs), np.sqrt(gain / inputs)), self.weight((outputs,), 0.05)
        return self.node("Add", [b, self.node("MatMul", [x, w])])

    def model(self):
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], producer_name="apus-bench")
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model)
        return model
