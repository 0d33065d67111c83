"""Products, perceptrons, LeNet-5, and the convolutional networks whose convolutions are dense: ResNet, VGG, SqueezeNet."""

from .builder import Builder


def matmul(seed, rows):
    b = Builder(f"matmul_{rows}", seed)
    x = b.input("input", [rows, 1024])
    b.output(b.node("MatMul", [x, b.weight((1024, 1024), 1 / 32)]), [rows, 1024], "output")
    return b


def perceptron(seed, name, widths):
    """Linear layers with ReLU between them, for a batch of any size."""
    b = Builder(name, seed)
    x = b.input("input", ["N", widths[0]])
    for i, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        x = b.gemm(x, inputs, outputs)
        if i + 2 < len(widths):
            x = b.relu(x)
    b.output(x, ["N", widths[-1]], "output")
    return b


def lenet5(seed):
    """With ReLU and maximum pooling for 28x28 pictures."""
    b = Builder("lenet5", seed)
    x = b.input("input", ["N", 1, 28, 28])
    x = b.maximum_pool(b.relu(b.convolution(x, 6, 5)), 2, 2)
    x = b.maximum_pool(b.relu(b.convolution(x, 16, 5, padding=0)), 2, 2)
    x = b.relu(b.gemm(b.flatten(x), 400, 120))
    x = b.relu(b.gemm(x, 120, 84))
    b.output(b.gemm(x, 84, 10), ["N", 10], "output")
    return b


def picture(b, side=224):
    return b.input("input", ["N", 3, side, side])


def classify(b, x, width, classes=1000):
    b.output(b.gemm(b.flatten(x), width, classes, gain=1.0), ["N", classes], "output")
    return b


def resnet18(seed):
    b = Builder("resnet18", seed)
    x = b.maximum_pool(b.relu(b.convolution(picture(b), 64, 7, 2)), 3, 2, 1)
    for stage, width in enumerate((64, 128, 256, 512)):
        for block in range(2):
            stride = 2 if stage > 0 and block == 0 else 1
            y = b.relu(b.convolution(x, width, 3, stride))
            y = b.convolution(y, width, 3, gain=0.5)
            x = b.convolution(x, width, 1, stride, gain=1.0) if stride == 2 else x
            x = b.relu(b.add(y, x))
    return classify(b, b.global_average_pool(x), 512)


def resnet50(seed):
    """Version 1.5: the stride is that of the 3x3 convolution."""
    b = Builder("resnet50", seed)
    x = b.maximum_pool(b.relu(b.convolution(picture(b), 64, 7, 2)), 3, 2, 1)
    for stage, (width, blocks) in enumerate(zip((64, 128, 256, 512), (3, 4, 6, 3))):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            y = b.relu(b.convolution(x, width, 1))
            y = b.relu(b.convolution(y, width, 3, stride))
            y = b.convolution(y, 4 * width, 1, gain=0.3)
            x = b.convolution(x, 4 * width, 1, stride, gain=1.0) if block == 0 else x
            x = b.relu(b.add(y, x))
    return classify(b, b.global_average_pool(x), 2048)


def vgg16(seed):
    b = Builder("vgg16", seed)
    x = picture(b)
    for width, layers in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(layers):
            x = b.relu(b.convolution(x, width, 3))
        x = b.maximum_pool(x, 2, 2)
    x = b.relu(b.gemm(b.flatten(x), 512 * 49, 4096))
    x = b.relu(b.gemm(x, 4096, 4096))
    b.output(b.gemm(x, 4096, 1000, gain=1.0), ["N", 1000], "output")
    return b


def squeezenet(seed):
    """Version 1.1."""
    b = Builder("squeezenet", seed)
    x = b.relu(b.convolution(picture(b), 64, 3, 2, padding=0))
    for fires in ((16, 16), (32, 32), (48, 48, 64, 64)):
        x = b.maximum_pool(x, 3, 2, ceiling=1)
        for squeeze in fires:
            s = b.relu(b.convolution(x, squeeze, 1))
            x = b.concatenate([b.relu(b.convolution(s, 4 * squeeze, 1)), b.relu(b.convolution(s, 4 * squeeze, 3))], 1)
    x = b.global_average_pool(b.relu(b.convolution(x, 1000, 1)))
    b.output(b.flatten(x), ["N", 1000], "output")
    return b
