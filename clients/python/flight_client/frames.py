"""Data frames of other libraries, which are needed only by those who ask for them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa


def to_pandas(table: Callable[[], pa.Table]) -> Any:  # noqa: ANN401 - of a library that need not be there
    """Return the table as a pandas data frame; nothing is read when there is no pandas."""
    _needed("pandas", "to_pandas")
    return table().to_pandas()


def to_polars(table: Callable[[], pa.Table]) -> Any:  # noqa: ANN401 - of a library that need not be there
    """Return the table as a Polars data frame; nothing is read when there is no Polars."""
    return _needed("polars", "to_polars").from_arrow(table())


def _needed(package: str, method: str) -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module(package)
    except ImportError as error:
        advice = f"{method} needs the package {package!r}, which cannot be imported ({error}); to_table needs pyarrow alone"
        raise ImportError(advice, name=package) from error
