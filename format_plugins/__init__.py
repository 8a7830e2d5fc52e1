"""What a format plugin is, the tools to write one, and the plugins that ship."""
