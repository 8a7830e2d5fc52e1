"""An Arrow Flight data server whose formats are plugins."""

__version__ = "0.1.0"
