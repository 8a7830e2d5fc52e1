"""``python -m flight_server``: the same as the command ``flight-server``."""

from flight_server.cli import main

main(prog_name="flight-server")
