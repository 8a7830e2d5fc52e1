"""Format plugins that are native libraries, in any language, through one C header: ``format_plugin.h``."""
