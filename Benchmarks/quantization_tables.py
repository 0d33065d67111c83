"""The tables of the quantization report, in Markdown."""

import report
from peers import PEERS


def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + ["| " + " | ".join(row) + " |" for row in rows])


def decibels(value):
    return "-" if value is None else f"{float(value):.1f}"


def agreement_table(results):
    # Embeddings have no classes.
    rows = [[title, found["scheme"], f"{found['samples']:,}",
             f"{found['same_largest'] / found['rows'] * 100:.1f} %" if found["scheme"] == "static" else "-",
             f"{decibels(found['snr_decibels'])} dB", f"{found['mean_cosine']:.5f}", f"{found['smallest_cosine']:.5f}",
             f"{found['speed']:.2f}"] for title, found in results.items() if "reason" not in found]
    head = ["model", "scheme", "samples", "same class", "SNR", "mean cosine", "smallest cosine", "samples/s of float"]
    return table(head, rows)


def layer_table(result):
    """SNR of each layer: its weights, and its output after all the layers before it."""
    return table(["layer", "operator", "weights, dB", "output, dB"],
                 [[layer["node"], layer["operator"], decibels(layer["weights"]), decibels(layer["output"])]
                  for layer in result["layers"]])


def over(times, key, other):
    mine, theirs = times.get(key, {}).get("minimum"), times.get(other, {}).get("minimum")
    return report.number(mine / theirs if mine and theirs else None)


def time(times, key):
    found = times.get(key, {})
    return f"{report.microseconds(found['median'])}, {report.microseconds(found['minimum'])}" if found.get("minimum") else "-"


def peer_form(scheme):
    """The form of the peers' models that a scheme is measured against: 8-bit weights have none of their own."""
    return {"float": "float", "static": "static", "dynamic": "dynamic"}.get(scheme)


def network_table(result, threads):
    columns = [f"{n} thread{'s' if n > 1 else ''}" for n in threads]
    head = ["model", "top-1", "points to float", "same class", "SNR", "bytes", "of float", "one hash"]
    for column in columns:
        head += [f"us, {column}", "of Apus float", "of ONNX Runtime", "of OpenVINO"]
    rows = []
    own, plain = result["apus"], result["apus"]["float"]
    for scheme, found in own.items():
        if "reason" in found:
            continue
        agreement = found["agreement"][0] if found["agreement"] else None
        cells = [f"Apus {scheme}", f"{found['top1'] * 100:.2f}", f"{(found['top1'] - plain['top1']) * 100:+.2f}",
                 f"{agreement['same_largest'] / agreement['rows'] * 100:.2f} %" if agreement else "-",
                 f"{decibels(agreement['snr_decibels'])} dB" if agreement else "-", f"{found['bytes']:,}",
                 f"{found['bytes'] / plain['bytes']:.3f}", "yes" if len(found["hashes"]) == 1 else "NO"]
        for count in threads:
            times = result["times"][str(count)]["times"]
            form = peer_form(scheme)
            cells += [time(times, scheme), over(times, scheme, "float"), over(times, scheme, f"ort {form}"),
                      over(times, scheme, f"openvino {form}")]
        rows.append(cells)
    for form, found in result["peers"].items():
        for key in ("ort", "openvino"):
            cells = [f"{PEERS[key].title} {form}"]
            base = result["peers"]["float"]
            cells += [f"{found['top1'] * 100:.2f}", f"{(found['top1'] - base['top1']) * 100:+.2f}"] if key == "ort" else ["", ""]
            cells += ["", "", f"{found['bytes']:,}", f"{found['bytes'] / base['bytes']:.3f}", ""]
            for count in threads:
                times = result["times"][str(count)]["times"]
                cells += [time(times, f"{key} {form}"), over(times, f"{key} {form}", "float"), "", ""]
            rows.append(cells)
    return table(head, rows)
