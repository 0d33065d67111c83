#!/usr/bin/env python3
"""Says what of libapus takes how much: kernels by family, Swift by module, operators by family.

usage: tools/library-size.py PRELINKED-OBJECT FOLDER-OF-KERNEL-OBJECTS
"""
import collections
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent


def symbols(path: str) -> list[tuple[str, int]]:
    """Names and sizes of what is in the file: code and data."""
    lines = subprocess.run(["nm", "-S", "--defined-only", path], check=True, capture_output=True, text=True).stdout
    found = []
    for line in lines.splitlines():
        fields = line.split()
        if len(fields) == 4 and fields[2] not in "bB":
            found.append((fields[3], int(fields[1], 16)))
    return found


def kernel_families(folder: pathlib.Path) -> dict[str, str]:
    """The family of each symbol of the kernels. An object is named after its family's folder."""
    return {
        name: path.name.removesuffix(".o").split("_")[0].removesuffix(".c")
        for path in folder.glob("*.o")
        for name, _ in symbols(str(path))
    }


def operator_families() -> dict[str, str]:
    """The family of each operator, by its name in Swift as symbols spell it: with its length before it."""
    families = {}
    for path in (root / "Sources").glob("Apus*/Families/*.swift"):
        family = re.sub(r"(Family|Bindings)$", "", path.stem)
        for elements in re.findall(r"= \[(.*?)\]", path.read_text(), re.S):
            families |= {f"{len(name)}{name}": family for name in re.findall(r"\.(\w+)", elements)}
    return families


def line(title: str, sizes: collections.Counter[str]) -> None:
    if sizes:
        parts = ", ".join(f"{name} {round(size / 1000)}" for name, size in sizes.most_common() if size >= 500)
        print(f"libapus: {title} in kB: {parts} (together {round(sum(sizes.values()) / 1000)})")


def main(library: str, kernel_objects: str) -> None:
    kernel_family = kernel_families(pathlib.Path(kernel_objects))
    operator_family = operator_families()
    kernels: collections.Counter[str] = collections.Counter()
    modules: collections.Counter[str] = collections.Counter()
    operators: collections.Counter[str] = collections.Counter()
    for name, size in symbols(library):
        definition = re.match(r"\$e\d+Apus\w+?(?:OperatorSchema|KernelBinding|HostBinding)C(\d+)", name)
        if definition:
            start = definition.end()
            family = operator_family.get(definition[1] + name[start : start + int(definition[1])])
            if family:
                operators[family] += size
        if name in kernel_family:
            kernels[kernel_family[name]] += size
        elif module := re.search(r"\d(Apus(?:Graph|Format|Runtime|C))(?=\d|[A-Z])", name):
            modules[module[1]] += size
        elif name.startswith(("ZSTD_", "HUF_", "FSE_", "HIST_", "XXH")):
            modules["zstd and xxHash"] += size
        elif name.startswith("apusp_"):
            modules["CApusPlatform"] += size
        else:
            modules["Swift's library, shared pieces"] += size
    line("kernels", kernels)
    line("rules and bindings of operators", operators)
    line("all but kernels", modules)


main(sys.argv[1], sys.argv[2])
