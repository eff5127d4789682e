"""A store job: STOW-RS of its instances, byte for byte as they are in S3 (PS3.18 10.5)."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.fan_out import fan_out
from isthmus.common.bus.jobs import Running
from isthmus.common.config import DicomwebOrigin
from isthmus.common.messages import Store
from isthmus.common.storing import Answer, Numbered, work_off
from isthmus.common.webclient import WebClient
from isthmus.web_scu.dicomweb.sending import Sending, batches

AT_ONCE: Final = 2
"""Requests of one job: while the server works on one, another is sent."""
FEW_CONNECTIONS: Final = 3
"""Of which one job takes one only."""


class StoreWork:
    """Works on the store jobs of one origin."""

    def __init__(self, bus: Bus, blobs: BlobStore, client: WebClient, origin: DicomwebOrigin) -> None:
        self._bus = bus
        self._blobs = blobs
        self._client = client
        self._origin = origin

    async def __call__(self, running: Running[Store]) -> None:
        """Send every instance, publish what became of each, then the end.

        Raises:
            UnavailableError: NATS or S3 is away; the job is delivered again.
        """
        await work_off(self._bus, self._blobs, running, self._answer_all)

    async def _answer_all(self, left: Sequence[Numbered], answer: Answer) -> None:
        sending = Sending(self._client, self._blobs, self._origin.name)

        async def send(batch: Sequence[Numbered]) -> None:
            async with aclosing(sending.send(batch)) as results:
                async for result in results:
                    await answer(result)

        at_once = 1 if self._origin.connections < FEW_CONNECTIONS else AT_ONCE
        async with fan_out(batches(left), send, at_once) as sent:
            async for _ in sent:
                pass
