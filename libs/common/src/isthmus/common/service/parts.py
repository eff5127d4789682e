"""What every service stands on."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cached_property

from isthmus.common.access.authenticator import Authenticator
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Settings


@dataclass(frozen=True)
class Parts:
    """The open parts that a service is built from."""

    settings: Settings
    bus: Bus
    blobs: BlobStore
    closing: AsyncExitStack = field(default_factory=AsyncExitStack)
    """What a service opens is closed by it, before the parts are."""

    @cached_property
    def authenticator(self) -> Authenticator:
        """What tells who somebody is, over HTTP and DIMSE: one, so that either knows what it has learned.

        Raises:
            SettingsError: a file of the settings cannot be used.
        """
        authenticator = Authenticator(self.settings, self.bus)
        self.closing.push_async_callback(authenticator.close)
        return authenticator
