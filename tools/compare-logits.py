"""Compares the logits of a C program with those of the training module, image by image, and checks the demo's promises.

usage: compare-logits.py TRAINING.f32 PROGRAM.f32 LABELS.idx

Both files hold [images, classes] little-endian float32, row-major; labels are in the IDX format of MNIST.
"""

import math
import struct
import sys
from array import array
from pathlib import Path

MINIMUM_ACCURACY = 0.89
# Classes may differ for at most two images, and there only where training itself could hardly tell the best two apart.
ALLOWED_CLASS_DIFFERENCES = 2
UNDECIDED = 1e-4
LARGEST_LOGIT_DIFFERENCE = 1e-4


def floats(path):
    values = array("f", Path(path).read_bytes())
    if sys.byteorder == "big":
        values.byteswap()
    return values


def main():
    training, program = floats(sys.argv[1]), floats(sys.argv[2])
    content = Path(sys.argv[3]).read_bytes()
    magic, images = struct.unpack(">II", content[:8])
    labels = content[8:]
    if magic != 0x801 or len(labels) != images:
        sys.exit(f"{sys.argv[3]} is not a complete IDX file of labels")
    classes = len(training) // images
    if not len(training) == len(program) == images * classes > 0:
        sys.exit(f"{len(training)} and {len(program)} logits for {images} images")

    correct = {"training": 0, "C program": 0}
    same, undecided, largest = 0, 0, 0.0
    for image in range(images):
        expected = training[image * classes:(image + 1) * classes]
        actual = program[image * classes:(image + 1) * classes]
        for a, b in zip(expected, actual):
            difference = abs(a - b)
            largest = difference if difference > largest or math.isnan(difference) else largest
        of_training, of_program = expected.index(max(expected)), actual.index(max(actual))
        correct["training"] += of_training == labels[image]
        correct["C program"] += of_program == labels[image]
        if of_training == of_program:
            same += 1
        else:
            first, second = sorted(expected)[:-3:-1]
            undecided += first - second < UNDECIDED

    for name, count in correct.items():
        print(f"Accuracy of the {name} on {images} test images: {count / images:.4f}")
    print(f"Same class: {same} of {images}")
    print(f"Largest logit difference: {largest:.3g}")

    missed = []
    for name, count in correct.items():
        if count / images < MINIMUM_ACCURACY:
            missed.append(f"accuracy of the {name} {count / images:.4f}, at least {MINIMUM_ACCURACY} was promised")
    different = images - same
    if different > ALLOWED_CLASS_DIFFERENCES or different != undecided:
        missed.append(f"{different} images in different classes, {undecided} of them undecided in training")
    if not largest < LARGEST_LOGIT_DIFFERENCE:
        missed.append(f"largest logit difference {largest:.3g}, less than {LARGEST_LOGIT_DIFFERENCE} was promised")
    for line in missed:
        print(f"demo: {line}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
