"""Networks of inverted residuals: MobileNetV2, MobileNetV3-large, EfficientNet-B0, layer by layer as torchvision has them."""

from .builder import Builder
from .dense import classify, picture


def divisible(width, by=8):
    """The next multiple of `by` that is no more than a tenth below `width`."""
    rounded = max(by, int(width + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * width else rounded


def squeeze_and_excite(b, x, squeezed, activation, gate):
    channels = b.channels[x]
    s = activation(b.convolution(b.global_average_pool(x), squeezed, 1))
    return b.pointwise("Mul", [x, gate(b.convolution(s, channels, 1, gain=1.0))])


def inverted_residual(b, x, expanded, outputs, kernel, stride, activation, excite=None):
    """1x1 expansion (none where nothing expands), depthwise, what `excite` adds, 1x1 projection, and the residual."""
    y = x
    if expanded != b.channels[x]:
        y = activation(b.convolution(y, expanded, 1))
    y = activation(b.convolution(y, expanded, kernel, stride, groups=expanded))
    if excite is not None:
        y = excite(y)
    y = b.convolution(y, outputs, 1, gain=1.0)
    return b.add(x, y) if stride == 1 and outputs == b.channels[x] else y


def mobilenet_v2(seed):
    b = Builder("mobilenet_v2", seed)
    x = b.relu6(b.convolution(picture(b), 32, 3, 2))
    for expansion, outputs, repeats, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                                (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(repeats):
            x = inverted_residual(b, x, expansion * b.channels[x], outputs, 3, stride if i == 0 else 1, b.relu6)
    x = b.relu6(b.convolution(x, 1280, 1))
    return classify(b, b.global_average_pool(x), 1280)


# Kernel, expanded width, outputs, squeeze-and-excite, hard swish (else ReLU), stride.
MOBILENET_V3_LARGE = (
    (3, 16, 16, False, False, 1), (3, 64, 24, False, False, 2), (3, 72, 24, False, False, 1), (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1), (5, 120, 40, True, False, 1), (3, 240, 80, False, True, 2), (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1), (3, 184, 80, False, True, 1), (3, 480, 112, True, True, 1), (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2), (5, 960, 160, True, True, 1), (5, 960, 160, True, True, 1))


def mobilenet_v3_large(seed):
    b = Builder("mobilenet_v3_large", seed)

    def gate(x):
        return b.pointwise("HardSigmoid", [x], alpha=1 / 6, beta=0.5)

    x = b.hard_swish(b.convolution(picture(b), 16, 3, 2))
    for kernel, expanded, outputs, excites, hard, stride in MOBILENET_V3_LARGE:
        def excite(y, squeezed=divisible(expanded / 4)):
            return squeeze_and_excite(b, y, squeezed, b.relu, gate)
        x = inverted_residual(b, x, expanded, outputs, kernel, stride, b.hard_swish if hard else b.relu,
                              excite if excites else None)
    x = b.hard_swish(b.convolution(x, 960, 1))
    x = b.hard_swish(b.gemm(b.flatten(b.global_average_pool(x)), 960, 1280))
    b.output(b.gemm(x, 1280, 1000, gain=1.0), ["N", 1000], "output")
    return b


def efficientnet_b0(seed):
    b = Builder("efficientnet_b0", seed)
    x = b.silu(b.convolution(picture(b), 32, 3, 2))
    for expansion, outputs, repeats, kernel, stride in ((1, 16, 1, 3, 1), (6, 24, 2, 3, 2), (6, 40, 2, 5, 2), (6, 80, 3, 3, 2),
                                                        (6, 112, 3, 5, 1), (6, 192, 4, 5, 2), (6, 320, 1, 3, 1)):
        for i in range(repeats):
            inputs = b.channels[x]

            def excite(y, squeezed=inputs // 4):
                return squeeze_and_excite(b, y, squeezed, b.silu, lambda s: b.pointwise("Sigmoid", [s]))
            x = inverted_residual(b, x, expansion * inputs, outputs, kernel, stride if i == 0 else 1, b.silu, excite)
    x = b.silu(b.convolution(x, 1280, 1))
    return classify(b, b.global_average_pool(x), 1280)
