"""The plugins that format_plugins/README.md shows conform."""

import random
import re
from pathlib import Path

import pyarrow as pa
import pytest

from format_plugins.conformance import CHECKS, Declaration, How, Loss, check

PAGE = (Path(__file__).resolve().parents[2] / "format_plugins" / "README.md").read_text()
SOURCES = dict(re.findall(r"<!-- runs: (\w+) -->\n```python\n(.*?)```", PAGE, re.DOTALL))
UNDETECTED = Loss("truncation", How.UNDETECTED)
FILES = pa.schema([pa.field("name", pa.string(), nullable=False), pa.field("content", pa.binary(), nullable=False)])
DECLARED = {
    "doubles": Declaration(
        example=pa.table({"value": [1.5, 2.5]}), fixed_schema=True, losses=(UNDETECTED, Loss("* null", How.REFUSED))
    ),
    "archive": Declaration(
        example=pa.table([["a", "b"], [random.Random(1).randbytes(20_000), b"rice" * 5_000]], schema=FILES),
        fixed_schema=True,
        losses=(Loss("string empty, string nul", How.REFUSED),),
        memory_bytes=128 << 20,  # the table of contents, of as many files as there are
    ),
    "fixed_width": Declaration(
        samples={b"   1Bern    \n  22Oslo    \n": pa.table({"id": [1, 22], "city": ["Bern", "Oslo"]})},
        options={"widths": {"id": 4, "city": 8}},
        losses=(UNDETECTED,),
    ),
    "report": Declaration(
        losses=(Loss("* far, duration_s*, duration_ms*, duration_ns*, timestamp_ns*, time64_ns*", How.REFUSED),),
    ),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")  # the kit writes the example's files again and again
@pytest.mark.parametrize("name", sorted(DECLARED))
def test_a_plugin_of_the_page_conforms(tmp_path, name):
    (tmp_path / f"{name}.py").write_text(SOURCES[name])
    findings = list(check(tmp_path / f"{name}.py", DECLARED[name]))
    assert [finding.sentence for finding in findings if not finding.ok] == []
    assert len(findings) == len(CHECKS)
