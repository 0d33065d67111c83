"""Runs ONNX's backend test suite through the C library.

The library is the core compiled as Embedded Swift, which is another translation of the same sources than the one in modelconv.
Each case that modelconv converts with its data as test vectors, which it has then reproduced itself, must be reproduced by the
library, too. Not compared are cases that known-failures.txt lists, and those whose data test vectors can not hold: sequences,
optionals, text, and outputs of 8-bit and smaller floats and of integers below 8 bits.
"""

import argparse
import collections
import concurrent.futures
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import onnx

import suite
import values

# Of all the suite's cases, so that a converter that takes nothing any more can't pass.
FEWEST = 1700


def convert(case, folder):
    """The model file with the case's data in it; None, and why, where there is none."""
    target = folder / f"{case.group}-{case.name}.apus"
    data = case.data_sets()
    if len(data) != 1:
        data = [case.folder]
    command = [os.environ["MODELCONV"], "convert", str(case.model), "-o", str(target), "--embed", str(data[0]), "--rtol",
               str(values.RTOL), "--atol", str(values.ATOL)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode == 0:
        return target, ""
    return None, done.stderr.strip().replace("\n", " ")


class Library:
    """The C program; a new one where it died."""

    def __init__(self):
        self.process = None

    def run(self, path):
        if self.process is None:
            self.process = subprocess.Popen([os.environ["SELF_TESTS"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() == "begin\n":
            answer = self.process.stdout.readline().strip()
            if answer:
                return answer
        code = self.process.wait()
        self.process = None
        return f"crashed exit code {code}"

    def stop(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()


def parse():
    parser = argparse.ArgumentParser(prog="tools/conformance/library", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filter", default="", metavar="REGEX", help="only cases whose group/name matches")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="conversions side by side")
    parser.add_argument("--verbose", action="store_true", help="print why cases were not compared")
    parser.add_argument("--data", metavar="FOLDER", help="the suite's data, where it is not the installed package's")
    return parser.parse_args()


def main():
    options = parse()
    began = time.monotonic()
    cases = suite.cases_in(options.data, options.filter)
    known = suite.known_failures()
    cases = [case for case in cases if str(case) not in known]
    results = collections.Counter()
    library = Library()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="apus-library-") as folder:
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for case, (file, reason) in zip(cases, pool.map(lambda case: convert(case, Path(folder)), cases)):
                answer = library.run(file) if file else f"unconverted {reason}"
                kind = answer.split()[0]
                results[kind] += 1
                if kind in ("failed", "crashed", "unsupported") or answer == "passed 0":
                    failed += 1
                    print(f"FAILED {case}: {answer}")
                elif kind == "unconverted" and options.verbose:
                    print(f"not compared {case}: {reason}")
                if file:
                    file.unlink()
                if sys.stderr.isatty():
                    sys.stderr.write(f"\r\033[K{sum(results.values())} of {len(cases)}  {case}")
        library.stop()
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    print(f"{time.monotonic() - began:.0f} seconds; {results['passed']} cases reproduced by libapus, {failed} failed, "
          f"{results['unconverted']} not compared: modelconv does not take their data as test vectors")
    if not options.filter and not options.data and results["passed"] < FEWEST:
        sys.exit(f"fewer than {FEWEST} cases were compared")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
