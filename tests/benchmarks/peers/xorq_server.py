"""A xorq FlightServer with its default, a DataFusion connection in memory."""

import sys

from xorq.flight import FlightServer, FlightUrl

if __name__ == "__main__":
    host, port = sys.argv[1].split(":")
    FlightServer(FlightUrl(host=host, port=int(port))).serve(block=True)
