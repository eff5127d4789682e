"""Whether a DICOMweb server answers, asked by a search that finds nobody: no patient's data travels."""

import asyncio
from typing import Final

from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.search_attributes import UNIQUE_KEYS
from isthmus.common.errors import IsthmusError, OriginTimeout
from isthmus.common.messages import Echo, EchoDone, Failure
from isthmus.common.webclient import WebClient

NOBODYS_UID: Final = "2.25.0"
"""Of the UUID that is nothing but zeros (PS3.5 B.2; RFC 9562 5.9)."""


class EchoWork:
    """Answers `dicom.echo` of one origin."""

    def __init__(self, client: WebClient) -> None:
        self._client = client

    async def __call__(self, _: Echo) -> EchoDone:
        """Search for a study that cannot be; it takes no longer than the server may be silent."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        failure = None
        origin = self._client.origin
        try:
            # Also where all connections are busy, or the server says again and again that it is.
            async with asyncio.timeout(origin.timeout_seconds):
                await self._client.get_json(
                    "studies", ((UNIQUE_KEYS[Level.STUDY], NOBODYS_UID), ("limit", "1"))
                )
        except TimeoutError:
            failure = Failure.of(OriginTimeout("No answer in time", origin=origin.name))
        except IsthmusError as error:
            failure = Failure.of(error)
        return EchoDone((loop.time() - begun) * 1000, failure)
