"""The format ``json``: a JSON array of objects, or a single object."""

from __future__ import annotations

from format_plugins.contract import PluginCapabilities, PluginMetadata
from format_plugins.json_text.format import JsonFormat
from format_plugins.json_text.options import JsonOptions


class JsonArray:
    """A JSON document that is an array of objects."""

    config_type = JsonOptions

    def metadata(self) -> PluginMetadata:
        """Return who the plugin is."""
        return PluginMetadata(
            name="json",
            version="1.0.0",
            description="JSON: an array of objects, each a record",
            extensions=(".json",),
            media_types=("application/json",),
            capabilities=PluginCapabilities(infers_schema=True),
        )

    def create_format(self, config: JsonOptions) -> JsonFormat:
        """Make the codec of one stream."""
        return JsonFormat("array", config)


def create_plugin() -> JsonArray:
    """Return the plugin."""
    return JsonArray()
