"""What is on its way to another system, and what did not get there."""

from dataclasses import dataclass
from typing import Literal

from isthmus.common.messages.blobs import BlobRef


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a destination did not take an instance; without patient data."""

    sop_instance_uid: str
    status: int
    """DIMSE status (PS3.4 B.2.3); 0110 where there was no answer."""
    kind: str | None = None
    """The class of the error, where there was one."""


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Instances of a study that are to go to an origin, by one store job."""

    id: str
    """Made from what it came from: also the Nats-Msg-Id and the id of the store job."""
    origin: str
    """The inbox; or the destination itself, where the instances were sent to it by C-STORE (`is_spooled`)."""
    study: str
    destination: str
    blobs: tuple[BlobRef, ...]
    since: float
    """When it was to go there first, or was replayed: seconds since 1970."""
    attempts: int = 0
    """How often the destination refused these instances."""
    refusals: tuple[Refusal, ...] = ()
    """What it said of them the last time."""
    tried: float = 0.0
    """When that was: seconds since 1970."""
    not_before: float = 0.0
    """When it is to be tried: seconds since 1970."""

    @property
    def is_spooled(self) -> bool:
        """Whether nobody but this holds its blobs: they are deleted when they are at the destination."""
        return self.origin == self.destination


@dataclass(frozen=True, slots=True)
class Forwarded:
    """How a study went to a destination, beside what is in the streams FORWARDS and DEAD."""

    revision: int = 0
    """Of the last event of the study that sent something there; 0: none, or only events of instances."""
    sequence: int = 0
    """The place of that event in the stream EVENTS."""
    modalities: tuple[str, ...] | None = None
    """All that has one of these was sent there, up to that event; None: all."""
    is_lacking: bool = False
    """Whether somebody dropped a dead letter: what was in it is not there."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What was tried as often, or for as long, as the settings say; on `dicom.dead.{what}.{name}...`.

    Replaying publishes `payload` again: on `dicom.forward.{name}...` or on `dicom.webhook.{name}`.
    """

    what: Literal["forward", "webhook"]
    name: str
    """Of the destination or webhook."""
    reason: str
    """Of the last failure, for people; without patient data."""
    attempts: int
    first: float
    """When it was tried first: seconds since 1970."""
    last: float
    """When it was tried last."""
    payload: bytes
    """A `Forwarding`, or the event as it is in the stream EVENTS."""
