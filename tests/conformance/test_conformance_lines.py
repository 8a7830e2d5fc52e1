"""The example plugin ``lines`` conforms."""

from pathlib import Path

import pyarrow as pa

from format_plugins.conformance import Conformance, How, Loss


class TestLines(Conformance):
    plugin = Path(__file__).parent.parent / "data" / "lines.py"
    example, fixed_schema = pa.table({"line": ["tea", "rice"]}), True
    losses = (Loss("string null, string newlines", How.CHANGED), Loss("truncation", How.UNDETECTED))
