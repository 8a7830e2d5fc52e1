"""The format ``ndjson``: a JSON object on each line (also called JSON Lines)."""

from __future__ import annotations

from format_plugins.contract import PluginCapabilities, PluginMetadata
from format_plugins.json_text.format import JsonFormat
from format_plugins.json_text.options import JsonOptions


class JsonLines:
    """Newline-delimited JSON."""

    config_type = JsonOptions

    def metadata(self) -> PluginMetadata:
        """Return who the plugin is."""
        return PluginMetadata(
            name="ndjson",
            version="1.0.0",
            description="Newline-delimited JSON: an object on each line",
            extensions=(".ndjson", ".jsonl"),
            media_types=("application/x-ndjson",),
            capabilities=PluginCapabilities(infers_schema=True),
        )

    def create_format(self, config: JsonOptions) -> JsonFormat:
        """Make the codec of one stream."""
        return JsonFormat("lines", config)


def create_plugin() -> JsonLines:
    """Return the plugin."""
    return JsonLines()
