"""A plot of the ratios as SVG: one row a model, a bar for each number of threads; left of the line Apus is faster."""

import math
from xml.sax.saxutils import escape

import report

ROW, BAR, LEFT, WIDTH, TOP = 26, 9, 270, 520, 56
LEAST, MOST = 0.1, 4.0
COLORS = ("#2563a8", "#e08a1e", "#4f9d4a", "#8a56a8")


def place(ratio):
    """The horizontal place of a ratio, on a logarithmic axis."""
    bounded = min(max(ratio, LEAST), MOST)
    return LEFT + WIDTH * math.log(bounded / LEAST) / math.log(MOST / LEAST)


def text(x, y, content, anchor="start", size=12, weight="normal"):
    style = f'font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(content)}</text>'


def svg(result):
    threads = sorted({row["threads"] for row in result["rows"]})
    names = list(dict.fromkeys(row["name"] for row in result["rows"]))
    rows = {(row["name"], row["threads"]): row for row in result["rows"]}
    height = TOP + ROW * len(names) + 30
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 80}" height="{height}" font-family="sans-serif">',
             '<rect width="100%" height="100%" fill="white"/>',
             text(LEFT, 18, "Time of Apus / best peer, medians (less is better)", size=14, weight="bold")]
    for i, count in enumerate(threads):
        parts.append(f'<rect x="{LEFT + 110 * i}" y="26" width="10" height="10" fill="{COLORS[i % len(COLORS)]}"/>')
        parts.append(text(LEFT + 110 * i + 15, 35, f"{count} thread{'s' if count > 1 else ''}"))
    for tick in (0.1, 0.2, 0.4, 0.65, 0.8, 1, 2, 4):
        x = place(tick)
        color = "#222" if tick == 1 else "#ddd"
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - 22}" stroke="{color}"/>')
        parts.append(text(x, height - 8, f"{tick:g}", "middle", 11))
    for line, name in enumerate(names):
        y = TOP + ROW * line
        title = next(row["title"] for key, row in rows.items() if key[0] == name)
        parts.append(text(LEFT - 8, y + 16, title, "end"))
        for i, count in enumerate(threads):
            row = rows.get((name, count))
            ratio = report.ratio(row) if row else None
            if ratio is None:
                continue
            begin, end = sorted((place(1), place(ratio)))
            top = y + 4 + i * (BAR + 1)
            parts.append(f'<rect x="{begin:.1f}" y="{top}" width="{max(end - begin, 1):.1f}" height="{BAR}" '
                         f'fill="{COLORS[i % len(COLORS)]}"/>')
            outside = begin - 3 if ratio < 1 else end + 3
            parts.append(text(outside, top + BAR - 1, f"{ratio:.2f}", "end" if ratio < 1 else "start", 9))
    return "\n".join([*parts, "</svg>"]) + "\n"
