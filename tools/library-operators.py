#!/usr/bin/env python3
"""Prints the Swift file that says which operators libapus has: the one that takes the place of LibraryOperators.swift.

usage: tools/library-operators.py full | selection MODEL.apus ...

The operators of models are those that `modelconv inspect` finds in them, nested graphs included. $MODELCONV is the program;
without it, it is built.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent

# Definition: `static let conv = OperatorSchema(` ... `"Conv"`, in the extension of its type.
EXTENSION_OR_DEFINITION = re.compile(
    r"^extension (\w+)|^  (?:public |package )?static (?:let|var) `?(\w+)`?(?:: \w+)? = \w+\((?:[^\"()]{0,80}\"(\w+)\")?", re.M
)
FAMILY = re.compile(r"static let \w+: \[(\w+)\] = \[(.*?)\]", re.S)


def definitions(module: str) -> dict[str, dict[str, str]]:
    """By type (OperatorSchema, KernelBinding, HostBinding): the name in Swift of each listed operator, and its own name."""
    names: dict[tuple[str, str], str] = {}
    for path in sorted((root / "Sources" / module).rglob("*.swift")):
        kind = ""
        for match in EXTENSION_OR_DEFINITION.finditer(path.read_text()):
            if match[1]:
                kind = match[1]
            elif match[3]:
                names[kind, match[2]] = match[3]
    listed: dict[str, dict[str, str]] = {}
    for path in sorted((root / "Sources" / module / "Families").glob("*.swift")):
        for kind, elements in FAMILY.findall(path.read_text()):
            for element in re.findall(r"\.(\w+)", elements):
                # A definition that doesn't spell the operator's name is called like it.
                own = element.removeprefix("microsoft")
                listed.setdefault(kind, {})[element] = names.get((kind, element), own[:1].upper() + own[1:])
    return listed


def operators(models: list[str]) -> set[str]:
    """The names of the operators of model files."""
    modelconv = os.environ.get("MODELCONV")
    if not modelconv:
        subprocess.run(["swift", "build", "-c", "release", "--product", "modelconv"], cwd=root, check=True, stdout=sys.stderr)
        modelconv = str(root / ".build/release/modelconv")
    found: set[str] = set()
    for model in models:
        report = subprocess.run([modelconv, "inspect", "--json", model], check=True, stdout=subprocess.PIPE).stdout
        found |= {operator["name"] for operator in json.loads(report)["operators"]}
    return found


def array(elements: list[str]) -> str:
    return "[" + ", ".join(f".{element}" for element in sorted(elements)) + "]"


# What the compiler makes of operators between DequantizeLinear and QuantizeLinear.
INTEGER_FORMS = {"Conv": {"QLinearConv"}, "Gemm": {"QGemm"}, "MatMul": {"QLinearMatMul", "MatMulIntegerToFloat"}}


def selection(models: list[str]) -> str:
    wanted = operators(models)
    if "DequantizeLinear" in wanted:
        for name, forms in INTEGER_FORMS.items():
            if name in wanted:
                wanted |= forms
    schemas = definitions("ApusGraph")["OperatorSchema"]
    bindings = definitions("ApusRuntime")
    unknown = wanted - set(schemas.values())
    if unknown:
        sys.exit(f"library-operators: not operators of Apus: {', '.join(sorted(unknown))}")

    def chosen(names: dict[str, str]) -> str:
        return array([element for element, name in names.items() if name in wanted])

    print(f"library-operators: {len(wanted)} operators: {', '.join(sorted(wanted))}", file=sys.stderr)
    return (
        f"registry: OperatorRegistry({chosen(schemas)}, pack: .selection),\n"
        f"    bindings: KernelBindings({chosen(bindings['KernelBinding'])}, {chosen(bindings['HostBinding'])})"
    )


def main(pack: str, models: list[str]) -> None:
    if pack not in ("full", "selection") or (pack == "selection") != bool(models):
        sys.exit(__doc__)
    arguments = "registry: .full, bindings: .full" if pack == "full" else selection(models)
    print(
        f"import ApusGraph\n\nextension LoadOptions {{\n  public static let library = LoadOptions(\n    {arguments})\n}}"
    )


main(sys.argv[1] if len(sys.argv) > 1 else "", sys.argv[2:])
