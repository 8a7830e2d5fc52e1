"""The demonstration: a server, real data, every way in and out, and a plugin that is dropped in while it runs."""
