"""What every service stands on."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """The open parts that a service is built from."""

    settings: Settings
    bus: Bus
    blobs: BlobStore
    closing: AsyncExitStack = field(default_factory=AsyncExitStack)
    """What a service opens is closed by it, before the parts are."""
