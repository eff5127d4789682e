"""Whether an origin tells if what it has is online: Instance Availability (0008,0056) of its matches.

Most do not know it, and some, Orthanc for one, read a file for each match to find that out, and fail where
one is lost. So it is asked of one study that was found, and in searches only where that was answered.
"""

import asyncio
from typing import Final

from isthmus.common.dicom.json_values import first_text
from isthmus.common.dicom.levels import Level
from isthmus.common.dimse import AssociationPool
from isthmus.common.errors import OriginError
from isthmus.dimse_scu.identifier import list_identifier
from isthmus.dimse_scu.responses import find

INSTANCE_AVAILABILITY: Final = "00080056"
ASKED_AGAIN_SECONDS: Final = 3600.0
"""An origin may learn it."""
PATIENCE_SECONDS: Final = 2.0
"""The end of a search waits for it."""


class Availability:
    """What one origin tells."""

    def __init__(self, pool: AssociationPool) -> None:
        self._pool = pool
        self._asked_at: float | None = None
        self.told = False
        """Whether it is worth asking in searches."""

    async def try_with(self, study: str) -> None:
        """Ask the origin of a study that it has, unless it was asked lately; what fails is an answer too."""
        now = asyncio.get_running_loop().time()
        if not study or (self._asked_at is not None and now - self._asked_at < ASKED_AGAIN_SECONDS):
            return
        self._asked_at = now
        identifier = list_identifier(Level.STUDY, study, None, (INSTANCE_AVAILABILITY,))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                matches = [match async for match in find(self._pool, identifier)]
        except (OriginError, TimeoutError):
            self.told = False
        else:
            self.told = any(first_text(match, INSTANCE_AVAILABILITY) for match in matches)
