"""The process runtime: plugins that run in child processes, and look to the server as if they ran in its own."""
