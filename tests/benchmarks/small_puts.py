"""Durable small puts a second, by clients in several processes: one interpreter could not keep a server busy."""

import contextlib
import sys

from native import DURABLE
from pairs import Case, Target, of_pairs
from processes import HERE, bare, ours, running, settle

#: How many processes the clients are spread over.
PROCESSES = {1: 1, 64: 4}


def rows(folder, pairs, seconds):
    """Rounds of ``seconds`` each, ours and the bare durable server in turn."""
    with ours(folder) as server, bare("durable", folder) as durable:
        for clients, target in ((1, None), (64, Target(of="ours", least=1000))):
            name = f"durable small puts, {clients} client{'s' * (clients > 1)}"
            case = Case(part="small puts", name=name, against=DURABLE, amount=1, unit="puts/s", target=target)
            with _clients(server.location, clients) as us, _clients(durable.location, clients) as them:
                settle()
                for load in (us, them):
                    load(seconds / 4)
                server.reset_peak()
                found = [(us(seconds), them(seconds)) for _ in range(pairs)]
            yield of_pairs(case, found, peak_mb=server.peak_mb())


@contextlib.contextmanager
def _clients(location, clients):
    processes = PROCESSES[clients]
    command = [sys.executable, HERE / "small_put_clients.py", location]
    with contextlib.ExitStack() as stack:
        children = [
            stack.enter_context(running([*command, str(clients // processes), str(number)])) for number in range(processes)
        ]
        for child in children:
            child.line()  # connected

        def load(seconds):
            for child in children:
                child.tell(seconds)
            return sum(child.line() for child in children)

        yield load
