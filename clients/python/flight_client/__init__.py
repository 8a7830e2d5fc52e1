"""A client of the Distributed Transformer: puts, gets and converts data over Arrow Flight."""

from flight_client.client import Client, connect
from flight_client.documents import Document
from flight_client.errors import FlightClientError
from flight_client.results import DatasetInfo, Progress, PutResult
from flight_client.streams import Stream

__all__ = ["Client", "DatasetInfo", "Document", "FlightClientError", "Progress", "PutResult", "Stream", "connect"]
