"""The one way into an inbox: into S3, then into the stream of events; only then is an instance taken."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox
from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.dicom.part10 import Identity
from isthmus.common.inbox.contents import ContentsStore
from isthmus.common.inbox.state import States


@dataclass(frozen=True, slots=True)
class Incoming:
    """An instance that somebody sends."""

    identity: Identity
    transfer_syntax_uid: str
    digest: str
    """SHA-256 of the Part 10 file, in hex."""
    size: int
    """Bytes of it."""
    attributes: DicomJson
    """What searches match and give back, at every level."""
    calling_ae_title: str | None = None
    association: str | None = None


@dataclass(frozen=True, slots=True)
class Deposited:
    """What became of it."""

    is_new: bool
    """Whether an event says so: not of the same bytes once more."""
    is_duplicate_uid: bool = False
    """Whether it was refused because the inbox refuses other bytes under a UID that it has."""


class Deposits:
    """Takes instances into inboxes."""

    def __init__(self, bus: Bus, blobs: BlobStore, base_url: str) -> None:
        """Prepare; `base_url` is where clients reach the gateway."""
        self._bus = bus
        self._blobs = blobs
        self._states = States(bus)
        self._contents = ContentsStore(blobs)
        self._base_url = base_url

    async def deposit(
        self, inbox: Inbox, incoming: Incoming, write: Callable[[str], Awaitable[None]]
    ) -> Deposited:
        """Take an instance; when this returns, it and its event are durable, or it was refused.

        Args:
            inbox: where to.
            incoming: what it is.
            write: writes the Part 10 file under the key that it is given; not called for what is there.

        Raises:
            UnavailableError: S3 or NATS is away: nothing is promised, and the sender is to repeat it.
        """
        raise NotImplementedError
