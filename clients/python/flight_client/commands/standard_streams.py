"""Standard streams that whoever started the command had closed."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def occupy() -> None:
    """Put something in the place of each standard stream that is closed.

    Otherwise the next file or connection that is opened would be taken for it. To use what stands for input or output
    fails, as it does for a stream that is closed; what goes to stderr is lost.
    """
    for number, flags in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_RDWR)):
        with suppress(OSError):
            os.fstat(number)
            continue
        descriptor = os.open(os.devnull, flags)  # the lowest number that is free
        if descriptor != number:
            os.dup2(descriptor, number)
            os.close(descriptor)
    sys.stdin = sys.stdin or os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)
