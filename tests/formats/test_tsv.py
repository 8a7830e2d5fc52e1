"""The plugin ``tsv``."""

import pyarrow as pa

from format_plugins.builtin.tab_separated import create_plugin
from format_plugins.options import decode
from format_plugins.streams import ByteStream


def test_a_tab_separates_values_both_ways():
    plugin = create_plugin()
    codec = plugin.create_format(decode(plugin.config_type, {"column_types": {"b": "date32"}}))
    table = codec.read_batches_from_stream(None, ByteStream([b'a\tb\n"x\ty"\t2020-01-01\n'])).read_all()
    assert table.schema == pa.schema({"a": pa.string(), "b": pa.date32()})
    assert b"".join(map(bytes, codec.write_batches(table.to_reader()))) == b'a\tb\n"x\ty"\t2020-01-01\n'


def test_it_is_found_by_extension_and_media_type():
    metadata = create_plugin().metadata()
    assert (metadata.name, metadata.extensions, metadata.media_types) == (
        "tsv",
        (".tsv", ".tab"),
        ("text/tab-separated-values",),
    )
