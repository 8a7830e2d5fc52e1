"""What a child process can be asked to do: each task's name, and the function that does it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: ``module:function``; the prepared parent imports the module once, before it forks. The function is called with the
#: child's end of the connection, and what it was asked in detail comes over that connection.
TASKS: Mapping[str, str] = MappingProxyType(
    {"trial": "flight_server.plugins.candidate:try_out", "serve": "flight_server.runtime.worker:serve"}
)
