"""Random float32 networks: a few dozen nodes as exporters string them together, for what compilers fuse, lay out and alias.

Values are images [N, C, H, W] or token sequences [N, T, E]; each step takes one or two of the values that exist and adds one.
Results of early steps are read again by later ones, and some are outputs of the graph, so that not everything may be fused away.
"""

import numpy as np
from onnx import helper, numpy_helper

OPSET = 17


class Network:
    def __init__(self, draw):
        self.draw = draw
        self.nodes, self.constants, self.inputs, self.fed, self.outputs = [], [], [], {}, []
        self.images, self.tokens = [], []  # (name, shape)

    def input(self, shape):
        name = f"x{len(self.inputs)}"
        self.inputs.append(helper.make_tensor_value_info(name, 1, shape))
        self.fed[name] = self.draw.floats(shape, low=-1, high=1)
        return name

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weights(self, shape, fan):
        return self.constant(self.draw.floats(shape, low=-1, high=1) * np.float32(1.7 / np.sqrt(fan)))

    def node(self, operator, inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name=f"{operator}_{name}", **attributes))
        return name

    # Images

    def activation(self, x):
        kind = self.draw.integer(0, 7)
        if kind == 0:
            return self.node("Relu", [x])
        if kind == 1:
            return self.node("Clip", [x, self.constant(np.float32(0)), self.constant(np.float32(6))])
        if kind == 2:
            return self.node("HardSwish", [x])
        if kind == 3:
            return self.node("Mul", [x, self.node("Sigmoid", [x])])
        if kind == 4:
            shifted = self.node(
                "Clip",
                [self.node("Add", [x, self.constant(np.float32(3))]), self.constant(np.float32(0)), self.constant(np.float32(6))],
            )
            return self.node("Div", [self.node("Mul", [x, shifted]), self.constant(np.float32(6))])
        if kind == 5:
            return self.node("LeakyRelu", [x], alpha=0.1)
        if kind == 6:
            return self.node("Mul", [x, self.node("HardSigmoid", [x], alpha=1 / 6, beta=0.5)])
        return x

    def normalized(self, x, channels):
        if self.draw.chance(0.5):
            return x
        parameters = [self.constant(self.draw.floats([channels], low=0.5, high=1.5)) for _ in range(4)]
        return self.node("BatchNormalization", [x, *parameters])

    def convolution(self, image):
        x, (n, c, h, w) = image
        kind = self.draw.integer(0, 4)
        out = self.draw.choice([4, 8, 12, 16, 24, 33])
        if kind == 0:
            value = self.node("Conv", [x, self.weights([out, c, 1, 1], c)])
            shape = [n, out, h, w]
        elif kind == 1:
            value = self.node("Conv", [x, self.weights([out, c, 3, 3], 9 * c), self.weights([out], 1)], pads=[1, 1, 1, 1])
            shape = [n, out, h, w]
        elif kind == 2:
            out, k = c, self.draw.choice([3, 5])
            value = self.node("Conv", [x, self.weights([c, 1, k, k], k * k), self.weights([c], 1)], pads=[k // 2] * 4, group=c)
            shape = [n, c, h, w]
        elif kind == 3 and h >= 3 and w >= 3:
            value = self.node("Conv", [x, self.weights([out, c, 3, 3], 9 * c)], strides=[2, 2], pads=[1, 1, 1, 1])
            shape = [n, out, (h - 1) // 2 + 1, (w - 1) // 2 + 1]
        else:
            padded = self.node("Pad", [x, self.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))])
            value = self.node("Conv", [padded, self.weights([out, c, 3, 3], 9 * c)])
            shape = [n, out, h, w]
        return self.activation(self.normalized(value, shape[1])), shape

    def pooled(self, image):
        x, (n, c, h, w) = image
        if h < 3 or w < 3:
            return image
        operator = self.draw.choice(["MaxPool", "AveragePool"])
        return self.node(operator, [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), [
            n,
            c,
            (h - 1) // 2 + 1,
            (w - 1) // 2 + 1,
        ]

    def excited(self, image):
        x, (n, c, h, w) = image
        squeezed = (
            self.node("GlobalAveragePool", [x]) if self.draw.chance() else self.node("ReduceMean", [x], axes=[2, 3], keepdims=1)
        )
        small = self.node("Relu", [self.node("Conv", [squeezed, self.weights([4, c, 1, 1], c)])])
        gate = self.node("Conv", [small, self.weights([c, 4, 1, 1], 4), self.weights([c], 1)])
        gate = self.node("Sigmoid", [gate]) if self.draw.chance() else self.node("HardSigmoid", [gate])
        return self.node("Mul", self.swapped(x, gate)), image[1]

    def swapped(self, a, b):
        return [a, b] if self.draw.chance() else [b, a]

    def joined(self, image):
        other = self.draw.choice(self.images)
        x, shape = image
        if other[1] == shape:
            value = self.node(self.draw.choice(["Add", "Mul", "Add", "Sub"]), self.swapped(x, other[0]))
            return self.activation(value), shape
        if other[1][2:] == shape[2:]:
            if self.draw.chance(0.7):
                first, second = (image, other) if self.draw.chance() else (other, image)
                value = self.node("Concat", [first[0], second[0]], axis=1)
                return value, [shape[0], shape[1] + other[1][1], *shape[2:]]
            value = self.node("Conv", [x, self.weights([other[1][1], shape[1], 1, 1], shape[1])])
            return self.activation(self.node("Add", self.swapped(value, other[0]))), other[1]
        return image

    def reshaped(self, image):
        x, (n, c, h, w) = image
        kind = self.draw.integer(0, 4)
        if kind == 0 and c % 2 == 0:  # channel shuffle
            parts = self.node("Reshape", [x, self.constant(np.array([n, 2, c // 2, h, w], np.int64))])
            turned = self.node("Transpose", [parts], perm=[0, 2, 1, 3, 4])
            return self.node("Reshape", [turned, self.constant(np.array([n, c, h, w], np.int64))]), image[1]
        if kind == 1 and c > 2:
            cut = self.draw.integer(1, c - 1)
            i64 = lambda value: self.constant(np.array([value], np.int64))
            return self.node("Slice", [x, i64(cut), i64(c), i64(1)]), [n, c - cut, h, w]
        if kind == 2:
            scales = self.constant(np.array([1, 1, 2, 2], np.float32))
            mode = self.draw.choice(["nearest", "linear"])
            if h * w > 200:
                return image
            return self.node(
                "Resize", [x, "", scales], mode=mode, coordinate_transformation_mode="asymmetric", nearest_mode="floor"
            ), [n, c, 2 * h, 2 * w]
        if kind == 3:  # out to channels last and back
            turned = self.node("Transpose", [x], perm=[0, 2, 3, 1])
            return self.node("Transpose", [self.node("Relu", [turned])], perm=[0, 3, 1, 2]), image[1]
        return self.node("Softmax", [x], axis=1), image[1]

    # Tokens

    def dense(self, tokens):
        x, (n, t, e) = tokens
        out = self.draw.choice([8, 16, 24, 32])
        value = self.node("MatMul", [x, self.weights([e, out], e)])
        if self.draw.chance(0.8):
            value = self.node("Add", self.swapped(value, self.weights([out], 1)))
        kind = self.draw.integer(0, 4)
        half, one = np.float32(0.5), np.float32(1)
        if kind == 0:
            error = self.node("Erf", [self.node("Div", [value, self.constant(np.float32(np.sqrt(2)))])])
            gate = self.node("Add", [error, self.constant(one)])
            value = self.node("Mul", [self.node("Mul", [value, gate]), self.constant(half)])
        elif kind == 1:
            cube = self.node(
                "Mul", [self.node("Pow", [value, self.constant(np.float32(3))]), self.constant(np.float32(0.044715))]
            )
            inner = self.node("Mul", [self.node("Add", [value, cube]), self.constant(np.float32(np.sqrt(2 / np.pi)))])
            gate = self.node("Add", [self.node("Tanh", [inner]), self.constant(one)])
            value = self.node("Mul", [self.node("Mul", [value, self.constant(half)]), gate])
        elif kind == 2:
            value = self.activation(value)
        return value, [n, t, out]

    def layer_norm(self, tokens):
        x, shape = tokens
        scale, shift = self.weights([shape[2]], 1), self.weights([shape[2]], 1)
        if self.draw.chance(0.4):
            return self.node("LayerNormalization", [x, scale, shift], axis=-1), shape
        mean = self.node("ReduceMean", [x], axes=[-1])
        centered = self.node("Sub", [x, mean])
        squared = (
            self.node("Pow", [centered, self.constant(np.float32(2))])
            if self.draw.chance()
            else self.node("Mul", [centered, centered])
        )
        variance = self.node("ReduceMean", [squared], axes=[-1])
        deviation = self.node("Sqrt", [self.node("Add", [variance, self.constant(np.float32(1e-3))])])
        value = self.node("Div", [centered, deviation])
        return self.node("Add", [self.node("Mul", [value, scale]), shift]), shape

    def root_mean_square(self, tokens):
        x, shape = tokens
        squares = self.node("ReduceMean", [self.node("Pow", [x, self.constant(np.float32(2))])], axes=[-1])
        root = self.node("Sqrt", [self.node("Add", [squares, self.constant(np.float32(1e-3))])])
        value = self.node("Div", [x, root]) if self.draw.chance() else self.node("Mul", [x, self.node("Reciprocal", [root])])
        return self.node("Mul", self.swapped(value, self.weights([shape[2]], 1))), shape

    def attention(self, tokens):
        x, (n, t, e) = tokens
        heads = self.draw.choice([1, 2, 4])

        def projected(perm):
            value = self.node("Add", self.swapped(self.node("MatMul", [x, self.weights([e, e], e)]), self.weights([e], 1)))
            split = self.node("Reshape", [value, self.constant(np.array([n, -1, heads, e // heads], np.int64))])
            return self.node("Transpose", [split], perm=perm)

        query, key, value = projected([0, 2, 1, 3]), projected([0, 2, 3, 1]), projected([0, 2, 1, 3])
        scale = np.float32(np.sqrt(e // heads))
        scores = self.node("MatMul", [query, key])
        if self.draw.chance():
            scores = self.node("Div", [scores, self.constant(scale)])
        else:
            scores = self.node("Mul", [scores, self.constant(1 / scale)])
        if self.draw.chance():
            mask = np.where(np.tril(np.ones([t, t])) > 0, 0, -1e4).astype(np.float32)
            scores = self.node("Add", self.swapped(scores, self.constant(mask.reshape([1, 1, t, t]))))
        mixed = self.node("MatMul", [self.node("Softmax", [scores], axis=-1), value])
        merged = self.node(
            "Reshape", [self.node("Transpose", [mixed], perm=[0, 2, 1, 3]), self.constant(np.array([n, -1, e], np.int64))]
        )
        return merged, tokens[1]

    def added(self, tokens):
        other = self.draw.choice(self.tokens)
        if other[1] != tokens[1]:
            return tokens
        return self.node("Add", self.swapped(tokens[0], other[0])), tokens[1]

    def as_tokens(self, image):
        x, (n, c, h, w) = image
        if c % 4:
            return None
        flat = self.node("Reshape", [x, self.constant(np.array([n, c, h * w], np.int64))])
        return self.node("Transpose", [flat], perm=[0, 2, 1]), [n, h * w, c]

    def build(self):
        draw = self.draw
        image_steps = [
            self.convolution,
            self.convolution,
            self.convolution,
            self.pooled,
            self.excited,
            self.joined,
            self.joined,
            self.reshaped,
        ]
        token_steps = [self.dense, self.dense, self.layer_norm, self.root_mean_square, self.attention, self.added]
        if draw.chance(0.7):
            shape = [draw.integer(1, 2), draw.choice([3, 4, 8]), draw.integer(5, 14), draw.integer(5, 14)]
            self.images.append((self.input(shape), shape))
            for _ in range(draw.integer(3, 14)):
                near = self.images[-1] if draw.chance(0.8) else draw.choice(self.images)
                self.images.append(draw.choice(image_steps)(near))
            tokens = self.as_tokens(self.images[-1]) if draw.chance() else None
        else:
            shape = [draw.integer(1, 2), draw.integer(1, 9), draw.choice([8, 16, 32])]
            tokens = (self.input(shape), shape)
        if tokens:
            self.tokens.append(tokens)
            for _ in range(draw.integer(2, 10)):
                near = self.tokens[-1] if draw.chance(0.8) else draw.choice(self.tokens)
                self.tokens.append(draw.choice(token_steps)(near))
        written = {node.output[0] for node in self.nodes}
        read = {name for node in self.nodes for name in node.input}
        ends = [name for name in written if name not in read]
        ends += [name for name in sorted(written) if name not in ends and draw.chance(0.05)]
        outputs = [helper.make_tensor_value_info(name, 1, None) for name in sorted(ends)]
        graph = helper.make_graph(self.nodes, "network", self.inputs, outputs, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8), self.fed


def build(draw):
    """(model, fed arrays)"""
    while True:
        network = Network(draw)
        model, fed = network.build()
        if network.nodes:
            return model, fed
