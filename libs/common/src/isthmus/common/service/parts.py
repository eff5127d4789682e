"""What every service stands on."""

from dataclasses import dataclass

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """The open parts that a service is built from."""

    settings: Settings
    bus: Bus
    blobs: BlobStore
