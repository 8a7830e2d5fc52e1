"""The plugin ``csv``: comma-separated values, and any other delimited text by its options."""

from __future__ import annotations

from format_plugins.contract import PluginCapabilities, PluginMetadata
from format_plugins.delimited.codec import DelimitedFormat
from format_plugins.delimited.options import DelimitedOptions


class CommaSeparated:
    """Makes codecs of comma-separated values."""

    config_type = DelimitedOptions

    def metadata(self) -> PluginMetadata:
        """Return who the plugin is."""
        return PluginMetadata(
            name="csv",
            version="1.0.0",
            description="Comma-separated values (RFC 4180), with a header by default",
            extensions=(".csv",),
            media_types=("text/csv",),
            capabilities=PluginCapabilities(infers_schema=True),
        )

    def create_format(self, config: DelimitedOptions) -> DelimitedFormat:
        """Make the codec of one stream."""
        return DelimitedFormat(config)


def create_plugin() -> CommaSeparated:
    """Return the plugin."""
    return CommaSeparated()
