"""The table, on a terminal and in a document, and the sentence about what was reached."""

from rich.console import Console
from rich.table import Table

#: The most resident memory that the server may ever have, in MB.
PEAK_MB = 400
HEADS = ("what", "ours", "theirs", "unit", "ratio", "quartiles", "target", "met", "peak MB", "against")


def show(rows):
    """Print the table and what was reached."""
    table = Table(*HEADS)
    for part in dict.fromkeys(row.part for row in rows):
        for row in (row for row in rows if row.part == part):
            style = "red" if row.met is False else "dim" if row.skipped else None
            table.add_row(*cells(row), style=style)
        table.add_section()
    console = Console(width=190)
    console.print(table)
    for line in verdict(rows):
        console.print(line)


def cells(row):
    """Return what stands in each column."""
    if row.skipped:
        return (row.name, "", "", row.unit, "not measured", "", "", "", "", f"{row.against}: {row.skipped}")
    between = "" if row.quartiles is None else f"{row.quartiles[0]:.2f} to {row.quartiles[1]:.2f}"
    met = "" if row.met is None else "yes" if row.met else "NO"
    figures = (figure(row.ours), figure(row.theirs), row.unit, f"{row.ratio:.2f}", between)
    return (row.name, *figures, row.target or "", met, f"{row.peak_mb:,.0f}", row.against)


def figure(value):
    """Return a figure with as many digits as mean something."""
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def verdict(rows):
    """Yield the sentences below the table."""
    held = [row for row in rows if row.met is not None]
    yield f"{sum(row.met for row in held)} of {len(held)} rows with a target reach it."
    measured = [row for row in rows if row.peak_mb is not None]
    if measured:
        worst = max(measured, key=lambda row: row.peak_mb)
        met = "met" if worst.peak_mb < PEAK_MB else "NOT MET"
        yield f"Highest peak memory of the server: {worst.peak_mb:,.0f} MB, in {worst.name}; target below {PEAK_MB} MB: {met}."
    skipped = [row for row in rows if row.skipped]
    if skipped:
        yield f"{len(skipped)} rows were NOT MEASURED: {', '.join(sorted({row.against for row in skipped}))} missing."


def markdown(rows):
    """Return the table as Markdown."""
    lines = ["| " + " | ".join(HEADS) + " |", "|---|--:|--:|---|--:|---|---|---|--:|---|"]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in rows]
    return "\n".join([*lines, "", *verdict(rows)]) + "\n"
