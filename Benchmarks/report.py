"""The tables, in Markdown."""

import math
import platform
from pathlib import Path

OTHER_PRECISION = {"apus16", "ncnn16"}  # weights of 16 bits: shown, and not compared with float32
OWN = {"apus", "apus32", *OTHER_PRECISION}  # runtimes that are no peers of a row's "apus"


def machine():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def best(row, what="median"):
    """The fastest peer of a row and its time; (None, None) where none has one."""
    times = {k: r[what] for k, r in row["runtimes"].items() if k not in OWN and what in r}
    key = min(times, key=times.get, default=None)
    return key, times.get(key)


def ratio(row, what="median"):
    """Apus's time over the best peer's."""
    own, (_, other) = row["runtimes"]["apus"].get(what), best(row, what)
    return own / other if own and other else None


def is_single(row):
    return "batch" not in row["title"]


def geometric_mean(values):
    values = [v for v in values if v]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def microseconds(value):
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 1000 else f"{value:,.0f}"


def number(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def line(row):
    times = "; ".join(f"{key} {microseconds(r['median'])}, {microseconds(r['minimum'])}" if "median" in r
                      else f"{key}: {r['reason'][:60]}" for key, r in row["runtimes"].items())
    return f"{row['name']}, {row['threads']} threads: {times}; ratio {number(ratio(row))}, {number(ratio(row, 'minimum'))}; " \
           f"floor {microseconds(row['floor'])}; {row['busy_elsewhere']:.1f} CPUs busy elsewhere"


def times(rows, titles):
    """Median and least time of every runtime, the ratio to the best peer of both, and the floor."""
    peers = [key for key in titles if key not in {"apus", *OTHER_PRECISION}]
    head = ["model", "Apus", *(titles[p] for p in peers), "Apus / best peer", "floor", "Apus / floor"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        def pair(key):
            found = row["runtimes"].get(key, {})
            return f"{microseconds(found['median'])}, {microseconds(found['minimum'])}" if "median" in found else "-"
        own = row["runtimes"]["apus"]
        lines.append("| " + " | ".join([
            row["title"], *(pair(key) for key in ("apus", *peers)), f"{number(ratio(row))}, {number(ratio(row, 'minimum'))}",
            microseconds(row["floor"]), number(own["minimum"] / row["floor"] if "minimum" in own else None)]) + " |")
    single = [row for row in rows if is_single(row)]
    means = ", ".join(number(geometric_mean(ratio(row, what) for row in single)) for what in ("median", "minimum"))
    lines.append("| **geometric mean, batch 1** |" + " |" * (len(head) - 4) + f" **{means}** | | |")
    return "\n".join(lines)


def half(rows, titles):
    """Lines of their own for runtimes with other weights."""
    keys = [key for key in sorted(OTHER_PRECISION) if key in titles]
    head = ["model", "threads", *(titles[key] for key in keys), "Apus / peer", "Apus / its float32"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        found = [row["runtimes"].get(key, {}) for key in keys]
        if not any("median" in f for f in found):
            continue
        own, wide = row["runtimes"].get("apus16", {}).get("median"), row["runtimes"]["apus"].get("median")
        peer = row["runtimes"].get("ncnn16", {}).get("median")
        cells = [f"{microseconds(f['median'])}, {microseconds(f['minimum'])}" if "median" in f else "-" for f in found]
        ratios = [number(own / other if own and other else None) for other in (peer, wide)]
        lines.append("| " + " | ".join([row["title"], str(row["threads"]), *cells, *ratios]) + " |")
    return "\n".join(lines) if len(lines) > 2 else None


def integers(rows, titles):
    """8-bit models: every runtime's times from the same file, the ratios to the best peer and to Apus's float32, the floor."""
    peers = [key for key in titles if key not in OWN and any(key in row["runtimes"] for row in rows)]
    head = ["model", "threads", "Apus", *(titles[p] for p in peers), "Apus / best peer", "Apus, float32", "int8 / float32",
            "floor", "Apus / floor"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]

    def pair(row, key):
        found = row["runtimes"].get(key, {})
        return f"{microseconds(found['median'])}, {microseconds(found['minimum'])}" if "median" in found else "-"

    def to_float(row, what="median"):
        own, wide = (row["runtimes"].get(key, {}).get(what) for key in ("apus", "apus32"))
        return own / wide if own and wide else None

    for row in rows:
        own = row["runtimes"]["apus"]
        lines.append("| " + " | ".join([
            row["title"], str(row["threads"]), *(pair(row, key) for key in ("apus", *peers)),
            f"{number(ratio(row))}, {number(ratio(row, 'minimum'))}", pair(row, "apus32"),
            f"{number(to_float(row))}, {number(to_float(row, 'minimum'))}", microseconds(row["floor"]),
            number(own["minimum"] / row["floor"] if "minimum" in own else None)]) + " |")
    means = [", ".join(number(geometric_mean(of(row, what) for row in rows)) for what in ("median", "minimum"))
             for of in (ratio, to_float)]
    lines.append("| **geometric mean** |" + " |" * (len(peers) + 2) + f" **{means[0]}** | | **{means[1]}** | | |")
    return "\n".join(lines)


def starts(result):
    keys = [k for k in result["titles"] if k not in OTHER_PRECISION]
    lines = ["| model | " + " | ".join(result["titles"][k] for k in keys) + " |", "|" + "---|" * (len(keys) + 1)]
    for start in result["starts"]:
        cells = [f"{r['median']:.1f} ms, {r['peak_mb']:.0f} MB" if (r := start["runtimes"].get(k)) else "-" for k in keys]
        lines.append(f"| {start['title']} | " + " | ".join(cells) + " |")
    sizes = [f"{result['libraries'][k] / 1e6:.1f} MB" for k in keys]
    lines.append("| libraries | " + " | ".join(sizes) + " |")
    return "\n".join(lines)


def sessions(result):
    lines = ["| model | one session | two | arena and other memory of a session | packed weights |", "|---|---|---|---|---|"]
    for start in result["starts"]:
        s = start["sessions"]
        lines.append(f"| {start['title']} | {s['one_mb']:.1f} MB | {s['two_mb']:.1f} MB | {s['session_mb']:.1f} MB "
                     f"| {s['packed_mb']:.1f} MB |")
    return "\n".join(lines)


def reasons(result):
    found = {}
    for row in result["rows"]:
        for key, runtime in row["runtimes"].items():
            if "reason" in runtime:
                found.setdefault((key, runtime["reason"]), []).append(row["name"])
    titles = {**result["titles"], "apus32": "Apus, float32"}
    return [f"- {titles[key]}: {', '.join(dict.fromkeys(names))}: {reason}" for (key, reason), names in found.items()]


def markdown(result):
    first = next((row for row in result["rows"] if not row["is_integer"]), None)
    versions = {}
    for row in result["rows"]:
        for key, runtime in row["runtimes"].items():
            if "version" in runtime and key in result["titles"]:
                versions.setdefault(key, f"{result['titles'][key]} {runtime['version'].split('-')[0]}")
    busy = [row["busy_elsewhere"] for row in result["rows"]]
    peak = f"; {first['peak_flops'] / 1e9 / first['threads']:.0f} GFLOP/s a core ({first['peak_name']})" if first else ""
    parts = [f"Microseconds of {result['clock']} of one run, median and least, on {result['machine']}{peak}. "
             f"{', '.join(versions.values())}. Other programs used {min(busy):.1f} to {max(busy):.1f} CPUs."]
    floats = [row for row in result["rows"] if not row["is_integer"]]
    for threads in sorted({row["threads"] for row in floats}):
        rows = [row for row in floats if row["threads"] == threads]
        parts += [f"## float32, {threads} thread{'s' if threads > 1 else ''}", times(rows, result["titles"])]
    if whole := [row for row in result["rows"] if row["is_integer"]]:
        parts += [f"## 8-bit models; {whole[0]['peak_flops'] / 1e9 / whole[0]['threads']:.0f} GOP/s a core "
                  f"({whole[0]['peak_name']})", integers(whole, result["titles"])]
    other = half(floats, result["titles"])
    if other:
        parts += ["## Weights of 16 bits, not compared with the above", other]
    if result["starts"]:
        parts += ["## From opening the file to the first result, and peak resident memory, one thread", starts(result),
                  "## Sessions of one model in Apus: resident memory, the packed weights being held once", sessions(result)]
    if missing := reasons(result):
        parts += ["## What is a dash", "\n".join(missing)]
    return "\n\n".join(parts) + "\n"
