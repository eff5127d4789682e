"""C-ECHO: is the origin there (PS3.4 Annex A)."""

import asyncio

from isthmus.common.dimse import VERIFICATION, Association, AssociationPool
from isthmus.common.errors import IsthmusError
from isthmus.common.messages import Echo, EchoDone, Failure


class EchoWork:
    """Answers `dicom.echo` of one origin."""

    def __init__(self, pool: AssociationPool) -> None:
        self._pool = pool

    async def __call__(self, _: Echo) -> EchoDone:
        """Send one C-ECHO, over a new association where none is open."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            seconds = await self._pool.run((VERIFICATION,), Association.echo)
        except IsthmusError as error:
            return EchoDone((loop.time() - begun) * 1000, Failure.of(error))
        return EchoDone(seconds * 1000)
