"""Reading and writing JSON documents in tests, without a server between."""

import pyarrow as pa

from format_plugins.json_text.format import JsonFormat
from format_plugins.json_text.options import JsonOptions
from format_plugins.streams import ByteStream

LAYOUTS = ("lines", "array")


def batches(data, layout="lines", schema=None, *, chunk=1 << 20, types=None, **options):
    """A reader of a document that arrives in chunks of ``chunk`` bytes; ``types`` is the option named schema."""
    options |= {} if types is None else {"schema": types}
    data = data.encode() if isinstance(data, str) else data
    chunks = (data[start : start + chunk] for start in range(0, len(data), chunk))
    return JsonFormat(layout, JsonOptions(**options)).read_batches_from_stream(schema, ByteStream(chunks))


def table(data, layout="lines", schema=None, **options):
    """The table of a document, fully checked."""
    found = batches(data, layout, schema, **options).read_all()
    found.validate(full=True)
    return found


def column(type_, *texts, layout="lines", **options):
    """The values of a column of ``type_`` whose JSON texts are ``texts``."""
    schema = pa.schema([("a", type_)])
    return (
        table(document(*(f'{{"a": {text}}}' for text in texts), layout=layout), layout, schema, **options)
        .column("a")
        .to_pylist()
    )


def document(*records, layout="lines"):
    """A document of the texts of records."""
    return "\n".join(records) if layout == "lines" else f"[{','.join(records)}]"


def written(table_, layout="lines", **options):
    """The document of a table."""
    return b"".join(JsonFormat(layout, JsonOptions(**options)).write_batches(table_.to_reader()))
