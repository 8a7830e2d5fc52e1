"""Tasks that tests have child processes do, and the nursery that has them; no test is in here."""

from contextlib import contextmanager

from flight_server.nursery import frames
from flight_server.nursery.nursery import Nursery

TASKS = {"run": "nursery_tasks:run"}


def run(connection):
    """Execute the Python text that comes first; it may ``say`` something, and ``hear`` more."""
    text = frames.receive(connection, limit_bytes=1 << 20).decode()

    def say(word):
        frames.send(connection, str(word).encode())

    exec(text, {"connection": connection, "say": say, "hear": lambda: frames.receive(connection, limit_bytes=1 << 20)})  # noqa: S102 - a test's own text


@contextmanager
def running(sandbox="off"):
    """A nursery whose children run any text; by default without a sandbox, so that limits are seen alone."""
    nursery = Nursery(TASKS, sandbox=sandbox)
    nursery.start()
    try:
        yield nursery
    finally:
        nursery.stop()
