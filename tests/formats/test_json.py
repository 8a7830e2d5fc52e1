"""The format ``json``, as the host uses it."""

import pyarrow as pa

from format_plugins.builtin import json_array
from format_plugins.streams import ByteStream


def test_a_table_goes_out_as_an_array_and_comes_back():
    plugin = json_array.create_plugin()
    codec = plugin.create_format(plugin.config_type())
    rows = pa.table({"a": [1, None], "b": ["x", "y"]})
    text = b"".join(codec.write_batches(rows.to_reader()))
    assert (plugin.metadata().name, text) == ("json", b'[{"a":1,"b":"x"},{"a":null,"b":"y"}]')
    assert codec.read_batches_from_stream(None, ByteStream([text])).read_all() == rows
