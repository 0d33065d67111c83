#!/usr/bin/env python3
"""Prints the targets that a product consists of, dependencies first, from Package.swift (which alone says what they are).

One line a target: kind (system, c or swift), name, directory.
usage: swift package dump-package | tools/core-targets.py ROOT TARGET
"""
import json
import pathlib
import sys


def main(root: pathlib.Path, top: str) -> None:
    targets = {target["name"]: target for target in json.load(sys.stdin)["targets"]}
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        target = targets[name]
        for dependency in target["dependencies"]:
            if "byName" not in dependency:
                sys.exit(f"{name} depends on a product of another package: {dependency}")
            visit(dependency["byName"][0])
        directory = root / (target.get("path") or f"Sources/{name}")
        swift = any(directory.rglob("*.swift"))
        kind = "system" if target["type"] == "system" else "swift" if swift else "c"
        print(kind, name, directory)

    visit(top)


main(pathlib.Path(sys.argv[1]), sys.argv[2])
