"""The format ``arrow_file`` conforms."""

from format_plugins.builtin import arrow_file
from format_plugins.conformance import Conformance, How, Loss


class TestArrowFile(Conformance):
    plugin = arrow_file
    losses = (
        Loss("dictionary of dictionary, dictionary ordered changing, dictionary holding null changing", How.REFUSED),
        Loss("list of dictionary changing, dictionary overflowing", How.REFUSED),
    )
