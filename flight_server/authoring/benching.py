"""`plugin bench`: the medians of several measurements, as ratios to reading the bytes alone."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from flight_server.authoring.worker import WorkerEnded, answers

_SILENCE_SECS = 600.0
_STEPS = {
    "reading": "reading the bytes alone",
    "decoding": "decoding",
    "serving": "decoding, checked as a server does",
    "encoding": "encoding",
}


class NotMeasured(Exception):
    """The plugin could not be measured; ``detail`` is its traceback, if there is one."""

    def __init__(self, sentence: str, detail: str) -> None:
        super().__init__(sentence)
        self.detail = detail


def measured(plugin: Path, sample: Path, times: int) -> dict[str, Any]:
    """Return the medians of ``times`` measurements, each in a process of its own. Raises ``NotMeasured``.

    Rates are in bytes a second, of plain bytes; ``ratios`` are to the rate of reading them alone.
    """
    found = [_once(plugin, sample) for _ in range(times)]
    medians = {name: _median([each[name] for each in found]) for name in found[0]}
    ratios = {name: medians[name] / medians["reading"] for name in _STEPS if name != "reading" and medians.get(name)}
    return {"plugin": str(plugin), "sample": str(sample), "measurements": times, **medians, "ratios": ratios}


def show(figures: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the figures."""
    if as_json:
        click.echo(json.dumps(figures))
        return
    click.echo(
        f"{Path(figures['sample']).name}: {figures['bytes']:,.0f} bytes, {figures['rows']:,.0f} rows;"
        f" medians of {figures['measurements']}"
    )
    for name, words in _STEPS.items():
        if figures.get(name):
            ratio = f"{figures['ratios'][name]:8.4f} of that" if name in figures["ratios"] else ""
            click.echo(f"{words:<36}{figures[name] / 1e6:>12,.1f} MB/s  {ratio}".rstrip())
    click.echo(f"{'first rows after':<36}{figures['first_rows_secs'] * 1e3:>12,.1f} ms")
    click.echo(f"{'peak memory above what is loaded':<36}{figures['peak_bytes'] / 2**20:>12,.1f} MiB")


def _once(plugin: Path, sample: Path) -> dict[str, Any]:
    asked = {"plugin": str(plugin.absolute()), "sample": str(sample.absolute())}
    try:
        answer = next(iter(list(answers("bencher", asked, timeout_secs=_SILENCE_SECS))), None)
    except WorkerEnded as error:
        hint = "; some megabytes of a sample are enough" if error.is_late else ""
        raise NotMeasured(f"the plugin could not be measured: {error}{hint}", error.output) from None
    if answer is None or "error" in answer:
        told = answer or {}
        raise NotMeasured(str(told.get("error", "the process said nothing")), str(told.get("detail", "")))
    return answer


def _median(values: list[Any]) -> Any:  # noqa: ANN401 - a figure, or None where there is none
    return None if None in values else statistics.median(values)
