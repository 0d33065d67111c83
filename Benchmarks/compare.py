"""Builds the models in both formats, measures both runtimes side by side, writes the tables. Called by Benchmarks/run."""

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime

import checkpoint
import to_onnx

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "build" / "bench"
MODELCONV = ROOT / ".build" / "release" / "modelconv"
DEMO_CHECKPOINT = ROOT / "build" / "demo" / "lenet.safetensors"
TOLERANCE = 1e-4
SEED = 20260101


def models(lenet_checkpoint):
    """Checkpoint, .apus and .onnx of each model, all from the same weights."""
    result = {}
    for name, build in (("LeNet-5", checkpoint.lenet5), ("MLP 784-512-512-10", checkpoint.mlp)):
        stem = build.__name__
        path = OUTPUT / f"{stem}.safetensors"
        if name == "LeNet-5" and lenet_checkpoint is not None:
            path, weights = lenet_checkpoint, f"the checkpoint {lenet_checkpoint.name}"
        else:
            checkpoint.write(path, *build(SEED))
            weights = f"Glorot-uniform, seed {SEED}"
        graph, tensors = checkpoint.read(path)
        model = to_onnx.convert(graph, tensors, OUTPUT / f"{stem}.onnx")
        subprocess.run([MODELCONV, "convert", path, "-o", OUTPUT / f"{stem}.apus"], check=True, stdout=subprocess.DEVNULL)
        print(f"{name}: weights: {weights}")
        result[name] = (stem, model)
    return result


def measure(name, stem, model, batch, threads, seconds):
    def shape(value):
        return [d.dim_value if d.HasField("dim_value") else batch for d in value.type.tensor_type.shape.dim]

    (source,), (result,) = model.graph.input, model.graph.output
    library = next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
    command = [
        OUTPUT / "measure", library, OUTPUT / f"{stem}.onnx", OUTPUT / f"{stem}.apus",
        source.name, ",".join(map(str, shape(source))), result.name, ",".join(map(str, shape(result))),
        str(threads), str(seconds), str(to_onnx.weight_bytes(model)),
    ]
    text = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout
    row = json.loads(text)
    operations, weight_bytes = to_onnx.operations(model, batch), to_onnx.weight_bytes(model)
    floor = max(operations / row["peak_flops"], weight_bytes / row["bytes_per_second"]) / threads
    row.update(model=name, batch=batch, threads=threads, operations=operations, weight_bytes=weight_bytes,
               floor_microseconds=floor * 1e6)
    return row


def table(rows):
    columns = ["model", "batch", "threads", "Apus median", "min", "ORT median", "min", "Apus/ORT median", "min", "floor",
               "Apus min/floor"]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for r in rows:
        a, o, floor = r["apus"], r["ort"], r["floor_microseconds"]
        lines.append(f"| {r['model']} | {r['batch']} | {r['threads']} "
                     f"| {a['median']:.2f} | {a['minimum']:.2f} | {o['median']:.2f} | {o['minimum']:.2f} "
                     f"| {a['median'] / o['median']:.2f} | {a['minimum'] / o['minimum']:.2f} "
                     f"| {floor:.2f} | {a['minimum'] / floor:.2f} |")
    return "\n".join(lines)


def cpu_name():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="time spent on each model, batch size and thread count")
    parser.add_argument("--lenet", type=Path, default=DEMO_CHECKPOINT if DEMO_CHECKPOINT.exists() else None,
                        help="a LeNet checkpoint; by default that of `make demo`, or seeded weights")
    options = parser.parse_args()
    OUTPUT.mkdir(parents=True, exist_ok=True)

    rows = []
    for name, (stem, model) in models(options.lenet).items():
        for batch in (1, 64):
            for threads in (1, 2):
                row = measure(name, stem, model, batch, threads, options.seconds)
                rows.append(row)
                print(f"{name}, batch {batch}, threads {threads}: Apus {row['apus']['median']:.2f} us, "
                      f"ORT {row['ort']['median']:.2f} us, ratio {row['apus']['median'] / row['ort']['median']:.2f}, "
                      f"largest difference {row['difference']:.1e}", flush=True)
                if not row["difference"] < TOLERANCE:
                    sys.exit(f"bench: the outputs differ by {row['difference']:.3g}, less than {TOLERANCE} was promised")
    first = rows[0]
    difference = max(r["difference"] for r in rows)
    text = f"""\
Microseconds of one run; ratios below 1 mean that Apus is faster. {cpu_name()}, {first['kernels']} kernels;
ONNX Runtime {first['ort_version']}, onnx {to_onnx.onnx.__version__}, numpy {np.__version__}.

{table(rows)}

How: one process a row, pinned to as many CPUs as threads. Both runtimes are called from C (`apus_session_run`; `Run` of
ONNX Runtime's C API) with input and output in the caller's memory; each call is timed on its own with the monotonic
clock. They take turns in rounds of a few milliseconds with a pause in between, so that both see the same machine.
ONNX Runtime: CPU provider, all graph optimizations, sequential execution, intra-op threads as stated, its own defaults
otherwise. Both compute the same outputs: the largest difference over all rows was {difference:.1e}.
Floor: the larger of operations / peak ({first['peak_name']}, {first['peak_flops'] / 1e9:.0f} GFLOP/s on one thread in this
run) and weight bytes / read bandwidth of the cache level that holds them; with two threads both are doubled.
"""
    (OUTPUT / "results.json").write_text(json.dumps(rows, indent=2) + "\n")
    (OUTPUT / "results.md").write_text(text)
    print("\n" + text)
    print(f"Written: {OUTPUT.relative_to(ROOT)}/results.md and results.json")


if __name__ == "__main__":
    main()
