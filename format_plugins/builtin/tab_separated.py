"""The plugin ``tsv``: tab-separated values, quoted like comma-separated ones."""

from __future__ import annotations

from dataclasses import dataclass

from format_plugins.contract import PluginCapabilities, PluginMetadata
from format_plugins.delimited.codec import DelimitedFormat
from format_plugins.delimited.options import DelimitedOptions
from format_plugins.options import option


@dataclass(frozen=True, slots=True, kw_only=True)
class TabSeparatedOptions(DelimitedOptions):
    """The options of delimited text, with a tab between values."""

    delimiter: str = option("\t", "the character between two values")


class TabSeparated:
    """Makes codecs of tab-separated values."""

    config_type = TabSeparatedOptions

    def metadata(self) -> PluginMetadata:
        """Return who the plugin is."""
        return PluginMetadata(
            name="tsv",
            version="1.0.0",
            description="Tab-separated values, with a header by default",
            extensions=(".tsv", ".tab"),
            media_types=("text/tab-separated-values",),
            capabilities=PluginCapabilities(infers_schema=True),
        )

    def create_format(self, config: TabSeparatedOptions) -> DelimitedFormat:
        """Make the codec of one stream."""
        return DelimitedFormat(config)


def create_plugin() -> TabSeparated:
    """Return the plugin."""
    return TabSeparated()
