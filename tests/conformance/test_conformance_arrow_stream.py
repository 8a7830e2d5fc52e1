"""The format ``arrow_stream`` conforms."""

from format_plugins.builtin import arrow_stream
from format_plugins.conformance import Conformance, How, Loss


class TestArrowStream(Conformance):
    plugin = arrow_stream
    losses = (Loss("dictionary of dictionary", How.REFUSED),)
