"""What a PACS may do to the instances that it sends, and to those that it is sent."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from tests.pacs.behaviour import RETRIEVES, SUCCESS, Behaviour, Transmission
from tests.pacs.events import Operation

MOVE: Final = frozenset({Operation.MOVE})
LONGEST_UID: Final = 64


@dataclass(frozen=True, kw_only=True)
class Slow(Behaviour):
    """Waits before each sub-operation."""

    operations = RETRIEVES
    seconds: float

    def pause_seconds(self) -> float:
        return self.seconds


@dataclass(frozen=True, kw_only=True)
class Trickles(Behaviour):
    """Sends each data set in fragments, with a pause before each."""

    operations = RETRIEVES
    fragments: int
    seconds: float

    def transmit(self, transmission: Transmission, number: int) -> Transmission:
        return replace(transmission, fragments=self.fragments, fragment_seconds=self.seconds)


@dataclass(frozen=True, kw_only=True)
class SendsOtherBytes(Behaviour):
    """Changes the last byte of every instance from the second sub-operation on."""

    operations = RETRIEVES

    def transmit(self, transmission: Transmission, number: int) -> Transmission:
        if number == 0:
            return transmission
        return replace(transmission, data=other_bytes(transmission.data))


def other_bytes(data: bytes) -> bytes:
    """The data set with another last byte: another pixel."""
    return data[:-1] + bytes([data[-1] ^ 0xFF])


@dataclass(frozen=True, kw_only=True)
class SendsInFirstContext(Behaviour):
    """Transcodes each instance into the syntax of the first accepted context of its class."""

    operations = frozenset({Operation.GET})

    def transmit(self, transmission: Transmission, number: int) -> Transmission:
        return replace(transmission, transcoded=True)


@dataclass(frozen=True, kw_only=True)
class SendsCutUIDs(Behaviour):
    """Cuts the SOP Instance UID in the command to the 64 characters that it may have."""

    operations = RETRIEVES

    def transmit(self, transmission: Transmission, number: int) -> Transmission:
        return replace(transmission, command_uid=transmission.command_uid[:LONGEST_UID])


@dataclass(frozen=True, kw_only=True)
class NamesWrongOriginator(Behaviour):
    """Has another Move Originator in its C-STORE requests, or none."""

    operations = MOVE
    ae_title: str | None = None
    message_id: int | None = None

    def transmit(self, transmission: Transmission, number: int) -> Transmission:
        return replace(transmission, originator=(self.ae_title, self.message_id))


@dataclass(frozen=True, kw_only=True)
class SendsOverSeveral(Behaviour):
    """Sends the instances of a C-MOVE over so many associations at once."""

    operations = MOVE
    at_once: int

    def associations(self) -> int:
        return self.at_once


@dataclass(frozen=True, kw_only=True)
class SendsAfterTheEnd(Behaviour):
    """Sends the last instances of a C-MOVE after its final response, which counts them as sent."""

    operations = MOVE
    instances: int

    def late(self) -> int:
        return self.instances


@dataclass(frozen=True, kw_only=True)
class StoreStatus(Behaviour):
    """Answers C-STORE with a status: for these instances, or for all."""

    operations = frozenset({Operation.STORE})
    status: int
    instances: Sequence[str] = ()

    def store_status(self, sop_instance_uid: str) -> int:
        return self.status if not self.instances or sop_instance_uid in self.instances else SUCCESS
