"""Measures Apus and its peers in turns and writes tables and a plot. Called by Benchmarks/run."""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import cases
import models
import plot
import quantized
import report
from peers import PEERS
from turns import Failure, take_turns, wait_for_quiet

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "build" / "bench"
TOLERANCE = {"apus16": 2e-2, "ncnn16": 2e-2}  # of an output's largest magnitude, from ONNX Runtime's result
TOLERANCE_FLOAT32 = 1e-3
TOLERANCE_INT8 = 0.1  # a step of 8 bits that rounds the other way goes through all the layers after it
INT8_PEERS = ("apus", "ort", "openvino")  # that run ONNX's quantized files in integers
STARTED = ("mlp", "mobilenet_v2", "resnet50", "minilm_128")  # models whose loading is measured


def cpus_for(threads):
    """The highest-numbered ones that this process may use: interrupts tend to arrive at the first."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < threads:
        sys.exit(f"bench: {threads} threads were asked for, and there are {len(allowed)} CPUs")
    return ",".join(map(str, allowed[-threads:]))


def floor(case, cpus):
    """What the machine gives at best now: operations a second, and bytes a second from where the row's weights are."""
    command = [OUTPUT / "floor", cpus, str(max(case.weight_bytes, 4096))]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def start(key, peer, case, cpus):
    """A runner that has given a right first result; Failure where it can not."""
    runner = peer.start(case, cpus)
    tolerance = TOLERANCE_INT8 if case.name in quantized.QUANTIZED else TOLERANCE.get(key, TOLERANCE_FLOAT32)
    if not runner.first["difference"] < tolerance:
        runner.close()
        raise Failure(f"its result differs from ONNX Runtime's by {runner.first['difference']:.2g} of the largest element")
    return runner


def measure(name, threads, options, peers):
    """One row: each runtime's times, or the reason why it has none."""
    case = cases.prepare(name, options.model_folder, OUTPUT / "cases")
    cpus = cpus_for(threads)
    is_integer = name in quantized.QUANTIZED
    row = {"name": name, "title": case.title, "threads": threads, "is_integer": is_integer, "operations": case.operations,
           "weight_bytes": case.weight_bytes, "bytes": case.bytes, "runtimes": {}}
    files = {key: case for key in peers}
    if is_integer:
        # And the float model that it was made of.
        peers = {**{key: peer for key, peer in peers.items() if key in INT8_PEERS}, "apus32": peers["apus"]}
        files["apus32"] = cases.prepare(quantized.QUANTIZED[name].base, options.model_folder, OUTPUT / "cases")
    runners = {}
    for key, peer in peers.items():
        try:
            runners[key] = start(key, peer, files[key], cpus)
        except (Failure, subprocess.TimeoutExpired) as failure:
            row["runtimes"][key] = {"reason": str(failure)}
    row["busy_elsewhere"] = wait_for_quiet(options.patience)
    row["load_average"] = os.getloadavg()[0]
    machine = floor(case, cpus)
    answers = take_turns(runners, options.seconds / options.rounds, options.rounds, "cpu" if options.cpu_time else "run")
    again = floor(case, cpus)
    for key, runner in runners.items():
        runner.close()
        row["runtimes"][key] = {
            **runner.first, "median": statistics.median(a["median"] for a in answers[key]),
            "minimum": min(a["minimum"] for a in answers[key]), "runs": sum(a["runs"] for a in answers[key]),
            "rounds": [a["median"] for a in answers[key]]}
    rate = "integers" if is_integer else "flops"
    row["peak_flops"], row["bandwidth"] = (max(machine[k], again[k]) for k in (rate, "bandwidth"))
    row["peak_name"] = machine["integer_name" if is_integer else "name"]
    row["floor"] = 1e6 * max(case.operations / row["peak_flops"], case.bytes / row["bandwidth"])
    return row


def measure_start(name, options, peers):
    """Loading to the first result, and the memory that takes, each time in a new process, on one thread; files are cached."""
    case = cases.prepare(name, options.model_folder, OUTPUT / "cases")
    cpus = cpus_for(1)
    found = {key: [] for key in peers}
    wait_for_quiet(options.patience)
    for _ in range(options.rounds):
        for key, peer in peers.items():
            try:
                runner = start(key, peer, case, cpus)
                runner.close()
                found[key].append(runner.first)
            except (Failure, subprocess.TimeoutExpired):
                pass

    def summary(firsts):
        times = [f["open_ms"] + f["first_ms"] for f in firsts]
        return {"median": statistics.median(times), "minimum": min(times),
                "peak_mb": statistics.median(f["peak_mb"] - f.get("python_mb", 0) for f in firsts)}

    return {"name": name, "title": case.title, "sessions": peers["apus"].second_session(case),
            "runtimes": {key: summary(firsts) for key, firsts in found.items() if firsts}}


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    rows = [*models.MODELS, *quantized.QUANTIZED]
    parser.add_argument("--models", nargs="+", default=rows, choices=rows, metavar="NAME",
                        help="rows of the tables; by default all: " + " ".join(rows))
    parser.add_argument("--peers", nargs="*", default=[p for p in PEERS if p != "apus"], choices=list(PEERS), metavar="PEER",
                        help="runtimes beside Apus; by default all: " + " ".join(p for p in PEERS if p != "apus"))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--seconds", type=float, default=2.0, help="that each runtime runs for each row and number of threads")
    parser.add_argument("--rounds", type=int, default=7, help="turns that the seconds are split into")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for a quiet machine before each row")
    parser.add_argument("--quick", action="store_true", help="0.3 seconds in 3 rounds without waiting, for a first look")
    parser.add_argument("--cpu-time", action="store_true", help="count the time that a runtime has a CPU for, on a machine that "
                        "others load; means something for one thread alone")
    parser.add_argument("--model-folder", type=Path, default=OUTPUT / "models", help="where the ONNX files are or go")
    options = parser.parse_args()
    if options.cpu_time and options.threads != [1]:
        parser.error("--cpu-time needs --threads 1")
    if options.quick:
        options.seconds, options.rounds, options.patience = 0.3, 3, 0
    return options


def main():
    options = parse()
    peers = {key: PEERS[key](OUTPUT) for key in dict.fromkeys(["apus", *options.peers])}
    result = {"machine": report.machine(), "titles": {key: peer.title for key, peer in peers.items()},
              "clock": "CPU time" if options.cpu_time else "time",
              "libraries": {key: peer.library_bytes() for key, peer in peers.items()}, "rows": [], "starts": []}
    for threads in options.threads:
        for name in options.models:
            result["rows"].append(measure(name, threads, options, peers))
            print(report.line(result["rows"][-1]), flush=True)
    result["starts"] = [measure_start(name, options, peers) for name in STARTED if name in options.models]
    (OUTPUT / "results.json").write_text(json.dumps(result, indent=1) + "\n")
    (OUTPUT / "results.md").write_text(report.markdown(result))
    (OUTPUT / "results.svg").write_text(plot.svg(result))
    print("\n" + report.markdown(result))
    print(f"Written: {OUTPUT.relative_to(ROOT)}/results.md, results.json and results.svg")
    own = {row["name"]: row["runtimes"]["apus"] for row in result["rows"]}
    failed = [f"{name}: {times['reason']}" for name, times in own.items() if "reason" in times]
    if failed:
        sys.exit("bench: Apus has no right result for " + "; ".join(failed))


if __name__ == "__main__":
    main()
