"""The format `markdown`: a dataset as a table to paste into a document; written only."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import pyarrow as pa

from format_plugins.contract import PluginCapabilities, PluginMetadata


@dataclass(frozen=True)
class Markdown:
    """The options, and the codec that they make."""

    null_text: str = ""  # what stands for a value that is missing

    def write_batches(self, batches: pa.RecordBatchReader) -> Iterator[bytes]:
        """Yield the head of the table, and then its rows a record batch at a time."""
        names = batches.schema.names
        yield (self._line(names) + self._line(["---"] * len(names))).encode()
        for batch in batches:
            rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            yield "".join(map(self._line, rows)).encode()

    def _line(self, values: Iterable[object]) -> str:
        texts = (self.null_text if value is None else str(value) for value in values)
        return "| " + " | ".join(text.replace("|", "\\|").replace("\n", "<br>") for text in texts) + " |\n"


def create_plugin() -> SimpleNamespace:
    """Tell the host who this is."""
    can = PluginCapabilities(read=False)
    metadata = PluginMetadata(
        name="markdown", version="1.0.0", extensions=(".md",), media_types=("text/markdown",), capabilities=can
    )
    return SimpleNamespace(config_type=Markdown, metadata=lambda: metadata, create_format=lambda options: options)
