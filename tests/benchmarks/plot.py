"""`make bench-plot`: docs/benchmarks.png and the table in docs/benchmarks.md, both from docs/benchmarks.json."""

import argparse
import json
from pathlib import Path

import matplotlib as mpl
import report
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from pairs import Row

DOCS = Path(__file__).resolve().parents[2] / "docs"
COLOURS = {True: "#2b7a9b", False: "#d1603d", None: "#9aa5ad"}
MEANINGS = {True: "target reached", False: "target not reached", None: "no target of its own"}
START, END = "<!-- the table: make bench-plot -->", "<!-- its end -->"


def main():
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=DOCS / "benchmarks.json", help="what `make bench` wrote")
    parser.add_argument("--folder", type=Path, default=DOCS, help="where benchmarks.png and benchmarks.md are")
    arguments = parser.parse_args()
    found = json.loads(arguments.json.read_text())
    rows = [Row(**row) for row in found["rows"]]
    draw(rows, found["machine"], arguments.folder / "benchmarks.png")
    page = arguments.folder / "benchmarks.md"
    page.write_text(with_table(page.read_text(), rows, found["machine"]))


def with_table(text, rows, machine):
    """Return the page with its table made anew."""
    before, _, rest = text.partition(START)
    table = f"{START}\n{on(machine)}.\n\n{report.markdown(rows)}"
    return before + table + END + rest.partition(END)[2]


def on(machine):
    """Return where it was measured, as a clause."""
    return (
        f"Measured on {machine['date']} with {machine['cores']} cores, {machine['memory_gb']:g} GB of memory, "
        f"{machine['system']}, Python {machine['python']}, pyarrow {machine['pyarrow']}"
    )


def draw(rows, machine, path):
    """Draw the ratios on the left, and on the right what happens as the data grows."""
    mpl.use("agg")
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure = plt.figure(figsize=(16, 11), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=[2, 1])
    parts = list(dict.fromkeys(row.part for row in rows if row.part != "growth"))
    by_part = [row for part in parts for row in rows if row.part == part]
    _ratios(figure.add_subplot(grid[:, 0]), [row for row in by_part if not row.skipped])
    grown = _grown(rows)
    if grown:
        _lines(figure.add_subplot(grid[0, 1]), grown, "ours", "MB a second as the data grows")
        memory = figure.add_subplot(grid[1, 1])
        _lines(memory, grown, "peak_mb", "Peak MB of the server as the data grows")
        memory.axhline(report.PEAK_MB, color=COLOURS[False], linestyle="--", linewidth=1)
        memory.set_ylim(0, None)
    figure.supxlabel(f"{on(machine)}. {' '.join(report.verdict(rows))}", fontsize=8, color="#555555", wrap=True)
    figure.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(figure)


def _ratios(axes, rows):
    places, place, part = [], 0.0, None
    for row in rows:
        place += 1.0 if row.part == part else 1.6
        part = row.part
        places.append(place)
    axes.barh(places, [row.ratio - 1 for row in rows], left=1, color=[COLOURS[row.met] for row in rows], height=0.7)
    for where, row in zip(places, rows, strict=True):
        least = row.target.removeprefix("ratio >= ") if row.target and row.target.startswith("ratio") else None
        if least:
            axes.plot([float(least)] * 2, [where - 0.42, where + 0.42], color="black", linewidth=1.6)
        target = f", wanted {row.target.removeprefix('ours ')}" if row.target and not least else ""
        words = f"{row.ratio:.2f}   {report.figure(row.ours)} against {report.figure(row.theirs)} {row.unit}{target}"
        axes.annotate(words, (max(row.ratio, 1), where), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(places, [f"{row.name}  |  {row.against}" for row in rows], fontsize=8)
    axes.set_xscale("log")
    low = min([0.3, *(row.ratio * 0.9 for row in rows)])
    axes.set_xlim(low, max([4.0, *(row.ratio * 3 for row in rows)]))
    shown = [value for value in (0.1, 0.2, 0.3, 0.5, 0.7, 1, 2, 3) if value >= low]
    axes.set_xticks(shown, [f"{value:g}" for value in shown])
    axes.minorticks_off()
    axes.axvline(1, color="black", linewidth=0.8)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_title("Ratio, ours to theirs: right of 1 is better than what it is held against", loc="left")
    handles = [Patch(color=COLOURS[met], label=MEANINGS[met]) for met in (True, False, None)]
    handles.append(Line2D([], [], color="black", linewidth=1.6, label="the ratio that is wanted"))
    axes.legend(handles=handles, loc="lower right", frameon=False)


def _grown(rows):
    """Return the growth rows by what they do; each name is ``what, 12.3 MB (10x)``."""
    grown = {}
    for row in (row for row in rows if row.part == "growth"):
        what, _, size = row.name.rpartition(", ")
        grown.setdefault(what, []).append((float(size.split()[0].replace(",", "")), row))
    return grown


def _lines(axes, grown, field, title):
    for what, sizes in grown.items():
        axes.plot([size for size, _ in sizes], [getattr(row, field) for _, row in sizes], marker="o", label=what)
    axes.set_xscale("log")
    axes.set_xlabel("MB that go through")
    axes.set_title(title, loc="left")
    if field == "ours":
        axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=8)


if __name__ == "__main__":
    main()
