"""Images and labels of the IDX format (MNIST's) as arrays."""

import gzip
from pathlib import Path

import numpy as np


def content(path):
    data = Path(path).read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def array(path):
    data = content(path)
    rank = data[3]
    shape = np.frombuffer(data, ">u4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def images(path, limit=None):
    """[count, 1, height, width], a pixel p as p / 255."""
    return array(path)[:limit, None].astype(np.float32) / np.float32(255)


def labels(path):
    """Those of a file of images: the file beside it."""
    return array(Path(path).with_name(Path(path).name.replace("images", "labels").replace("idx3", "idx1")))
