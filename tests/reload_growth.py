"""How many megabytes this process has grown after as many reloads as its argument says; run by a test."""

import gc
import sys
import tempfile
from pathlib import Path

import structlog
from plugin_samples import SYNTAX_ERROR, lines, started, version_of

RESIDENT = "VmRSS:"


def resident_mb():
    """The memory that this process has in use."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return int(status.split(RESIDENT)[1].split()[0]) / 1024


def reload_often(folder, manager, count):
    """Reload in several forms: good, broken, and held by a stream while it is replaced."""
    for number in range(count):
        (folder / "lines.py").write_text(f"import logging\nLOG = logging.getLogger(__name__)\n{lines(f'1.0.{number}')}")
        manager.reload()
        if version_of(manager) != f"1.0.{number}":
            raise SystemExit(f"stale: {version_of(manager)} instead of 1.0.{number}")
        with manager.registry.lease("lines") as lease:
            lease.create_format({"upper": True})
            if number % 10 == 0:
                (folder / "lines.py").write_text(SYNTAX_ERROR)
                manager.reload()
                (folder / "lines.py").write_text(lines(f"2.0.{number}"))
                manager.reload()


def main():
    """Print the growth."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory() as outer:
        folder = Path(outer) / "plugins"
        folder.mkdir()
        with started(folder, enable_hot_reload=False, default_runtime="in_process") as manager:
            reload_often(folder, manager, 100)  # what is allocated once is allocated now
            before = resident_mb()
            reload_often(folder, manager, int(sys.argv[1]))
            modules = [name for name in sys.modules if name.startswith("lines@")]
            if len(modules) != 1:
                raise SystemExit(f"modules of old generations: {modules}")
            sys.stdout.write(f"{resident_mb() - before:.2f}\n")


if __name__ == "__main__":
    main()
