"""What is known of a plugin that has passed its trial, without its code being here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from format_plugins.contract import PluginMetadata


@dataclass(frozen=True, slots=True)
class Passed:
    """Who the plugin is, and its options as ``option_table.options_of`` tells them."""

    metadata: PluginMetadata
    options: Sequence[Mapping[str, Any]]
