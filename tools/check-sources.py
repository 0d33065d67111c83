"""Checks of tools/lint that look at the text of the sources: what the core may not say, who may import whom, file sizes,
white space. Comments and string literals are blanked first, so that only code counts. Prints `file:line: error: ...`.
"""

import re
import subprocess
import sys
from pathlib import Path

CORE = ("ApusGraph", "ApusFormat", "ApusRuntime", "ApusC")
MAX_LINES = 600
MAX_COLUMNS = 130

# The contract reads from top to bottom as one page; it stays one file.
LONG_FILES = {"include/apus.h"}

# Imports point downwards only: what each target may import besides the Swift standard library.
SYSTEM = {"Foundation", "FoundationEssentials", "Glibc", "Dispatch", "Synchronization"}
IMPORTS = {
    "ApusGraph": {"CApusPlatform"},
    "ApusFormat": {"ApusGraph", "CApusPlatform", "CZstd", "CXXHash"},
    "ApusRuntime": {"ApusGraph", "ApusFormat", "CApusKernels", "CApusPlatform"},
    "ApusC": {"ApusGraph", "ApusFormat", "ApusRuntime", "CApusPlatform", "CApus"},
    "Apus": {"ApusGraph", "ApusFormat", "ApusRuntime", "CApusPlatform"},
    "ApusFormatWriter": {"ApusGraph", "ApusFormat", "CApusPlatform", "CApusSchemaWriter", "CZstd", "CXXHash", "Crypto"} | SYSTEM,
    "ApusSafetensors": {"ApusGraph", "CApusPlatform"} | SYSTEM,
    "ApusData": {"ApusGraph", "CApusPlatform", "CZlib"},
    "ApusTraining": {"ApusData", "ApusGraph", "ApusFormat", "ApusRuntime", "Apus", "ApusFormatWriter", "ApusSafetensors",
                     "CApusKernels", "CApusPlatform", "COpenBLAS"} | SYSTEM,
    "ApusConvert": {"ApusData", "ApusGraph", "ApusFormat", "ApusRuntime", "Apus", "ApusFormatWriter", "ApusSafetensors",
                    "CApusPlatform", "CPNG", "CTurboJPEG", "CZlib", "CZstd", "Crypto", "SwiftProtobuf"} | SYSTEM,
    "modelconv": {"ApusGraph", "ApusFormat", "ApusRuntime", "Apus", "ApusFormatWriter", "ApusSafetensors", "ApusConvert",
                  "ArgumentParser"} | SYSTEM,
}
for target in CORE:
    IMPORTS[target] |= {"Synchronization"}

errors = 0


def report(path, line, message):
    global errors
    errors += 1
    print(f"{path}:{line}: error: {message}")


def blank(match):
    """Keeps line breaks, so that line numbers stay true."""
    return re.sub(r"[^\n]", " ", match.group(0))


# One alternation, so that a quote inside a comment and a comment mark inside a string are seen for what they are.
SWIFT_NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|"""(?:\\.|.)*?"""|#"(?:.)*?"#|"(?:\\.|[^"\\\n])*"', re.S)
C_NOISE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def each(pattern, code, path, message):
    for match in re.finditer(pattern, code):
        report(path, line_of(code, match.start()), message.format(*match.groups()))


def check_core_swift(path, code):
    each(r"\bany\s+[A-Z]", code, path, "`any` is not Embedded Swift")
    each(r"\bthrows\b(?!\s*\()", code, path, "untyped throws: the core throws ApusError only, `throws(ApusError)`")
    each(r"\b(U?Int(?:8|16|32|64|128)?)\(\s*(?:Float|Double)\b", code, path, "{0}(a float) traps on NaN and overflow")
    each(r"\b(U?Int(?:8|16|32|64|128)?)\((?!exactly:)[^()\n]*(?:\([^()\n]*\))?[^()\n]*\.rounded\(", code, path,
         "{0}(a float) traps on NaN and overflow")
    each(r"\b(U?Int(?:8|16|32|64|128)?)\([^()\n]*\b\d+\.\d+", code, path, "{0}(a float) traps on NaN and overflow")
    floats = set(re.findall(r"\b([a-z]\w*)\s*:\s*(?:inout\s+)?(?:Float|Double|Float16)\b(?![?\w])", code))
    floats |= set(re.findall(r"\b(?:let|var)\s+([a-z]\w*)\s*=\s*(?:Float|Double|Float16)\(", code))
    # A name that is also declared as something else says nothing without types.
    floats -= set(re.findall(r"\b([a-z]\w*)\s*:\s*(?:inout\s+)?(?!Float\b|Double\b|Float16\b)[A-Z\[(]", code))
    for name in sorted(floats):
        each(r"\b(U?Int(?:8|16|32|64|128)?)\(\s*" + name + r"\s*\)", code, path,
             "{0}(" + name + ") of a float traps on NaN and overflow")


def check_swift(path, text):
    code = SWIFT_NOISE.sub(blank, text)
    parts = path.split("/")
    target = parts[1] if parts[0] == "Sources" else None
    if target is not None and target not in IMPORTS:
        report(path, 1, f"tools/check-sources.py does not say what {target} may import")
    if target in IMPORTS:
        for match in re.finditer(r"^[ \t]*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|private|fileprivate)\s+)?"
                                 r"import\s+(?:(?:struct|class|enum|func|protocol|typealias|var|let)\s+)?(\w+)",
                                 code, re.M):
            module = match.group(1)
            if module not in IMPORTS[target]:
                report(path, line_of(code, match.start(1)), f"{target} may not import {module}")
    if target in CORE:
        check_core_swift(path, code)
    each(r"\bunsafeFlags\b", code, path, "unsafeFlags would keep other packages from depending on this one")


def check_c(path, text):
    code = C_NOISE.sub(blank, text)
    if path.startswith("Sources/CApusKernels/"):
        each(r"\b(malloc|calloc|realloc|aligned_alloc|posix_memalign|free|printf|fprintf|abort|exit)\s*\(", code, path,
             "kernels allocate nothing, print nothing and never exit: {0}")


def check_text(path, text):
    code = path.endswith((".swift", ".c", ".cpp", ".h", ".hpp", ".py"))
    lines = text.split("\n")
    if text and not text.endswith("\n"):
        report(path, len(lines), "no newline at the end of the file")
    if text.endswith("\n\n"):
        report(path, len(lines), "blank lines at the end of the file")
    for number, line in enumerate(lines, 1):
        if line.endswith((" ", "\t", "\r")):
            report(path, number, "trailing white space")
        if "\t" in line and code:
            report(path, number, "tab")
        if code and len(line) > MAX_COLUMNS:
            report(path, number, f"{len(line)} columns, {MAX_COLUMNS} allowed")
        # Spelt in two parts, or this file would report itself.
        if re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b", line):
            report(path, number, "open ends do not land")
    if code and len(lines) > MAX_LINES and path not in LONG_FILES:
        report(path, 1, f"{len(lines)} lines, {MAX_LINES} allowed: which second subject moved in?")


def main():
    listing = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             check=True, capture_output=True).stdout
    tracked = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True).stdout.decode().split("\0")
    for path in tracked:
        if re.search(r"(^|/)(\.build[^/]*/|Package\.resolved$)", path):
            report(path, 1, "build products and Package.resolved are not committed")
    for path in sorted(set(listing.decode().split("\0"))):
        file = Path(path)
        if not path or not file.is_file() or file.is_symlink():
            continue
        try:
            text = file.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            if path.endswith((".swift", ".c", ".cpp", ".h", ".hpp", ".py", ".md")):
                report(path, 1, "not UTF-8")
            continue  # a binary file
        if "\0" in text or path in ("LICENSE",) or path.endswith((".patch", ".json")):
            continue
        if re.search(r"(_generated\.h|\.pb\.swift)$", path):
            continue
        check_text(path, text)
        if path.endswith(".swift"):
            check_swift(path, text)
        elif path.endswith((".c", ".cpp", ".h", ".hpp")):
            check_c(path, text)
        # The option's name is also the name of what it turns off, hence the two parts.
        if path != "tools/check-sources.py" and "-Oun" "checked" in text and not path.endswith(".md"):
            report(path, 1, "optimization without checks removes the checks that keep a hostile file out")
    if errors:
        print(f"check-sources: {errors} errors")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
