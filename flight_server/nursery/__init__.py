"""Child processes for code that may hurt: forked from a process that was prepared for it, never from the server."""
