"""Flight's descriptors as the wire's own data."""

from __future__ import annotations

from pyarrow import flight

from flight_server.errors import BadRequest
from flight_server.wire import Address


def address_of(descriptor: flight.FlightDescriptor) -> Address:
    """Return what a descriptor says: a path, or a command."""
    if descriptor.descriptor_type == flight.DescriptorType.PATH:
        return Address.of_path(descriptor.path or [])
    if descriptor.descriptor_type == flight.DescriptorType.CMD:
        return Address.of_ticket(descriptor.command or b"")
    raise BadRequest("the descriptor is neither a path nor a command")
