"""The plugin host: what is loaded, how it gets loaded, and how the folder is followed."""
