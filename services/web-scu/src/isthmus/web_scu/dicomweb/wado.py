"""Retrieve transactions: instances come as parts of one answer (WADO-RS, PS3.18 10.4)."""

from collections import deque
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final

from isthmus.common.dicom.levels import Level
from isthmus.common.errors import (
    CircuitOpen,
    InvalidParameter,
    NotDelivered,
    OriginError,
    OriginTimeout,
    OriginUnreachable,
    StoreUnavailable,
    TruncatedAnswer,
)
from isthmus.common.retrieving.ask import Ask
from isthmus.common.retrieving.delivery import Delivery
from isthmus.common.retrieving.listing import Listed
from isthmus.common.retrieving.together import together
from isthmus.common.retrieving.wording import Wording
from isthmus.common.threads import Threads
from isthmus.common.webclient import WebClient
from isthmus.common.webclient.failures import BROKE_OFF
from isthmus.web_scu.dicomweb.accepting import Accepting
from isthmus.web_scu.dicomweb.cancellation import Cancellation
from isthmus.web_scu.dicomweb.collecting import collected
from isthmus.web_scu.dicomweb.paths import path_of

FAILED_AT_MOST: Final = 4
"""Instances in a row that did not come when each was asked for, after which no others are."""


class Wado:
    """Pulls by WADO-RS: a study or a series as one stream, instances by a request for each."""

    method = "WADO-RS"
    last_resort = False

    def __init__(
        self,
        client: WebClient,
        threads: Threads,
        delivery: Delivery,
        cancellation: Cancellation,
        accepting: Accepting,
        wording: Wording,
    ) -> None:
        """Prepare.

        Args:
            client: speaks with the server.
            threads: where waiting for room, and writing of files, blocks.
            delivery: takes what comes.
            cancellation: stops what runs.
            accepting: what the server is told that we take.
            wording: which resources it may be asked for.
        """
        self._client = client
        self._threads = threads
        self._delivery = delivery
        self._cancellation = cancellation
        self._accepting = accepting
        self.wording = wording
        self._origin = client.origin.name

    def asks_unlisted(self, _: str) -> bool:
        """Ask for anything: a URL needs no SOP classes."""
        return True

    def associations(self, instances: Sequence[Listed]) -> Iterable[Sequence[Listed]]:
        """Ask for everything at once."""
        yield instances

    async def __call__(self, ask: Ask, *, priority: int = 0) -> int:
        """Ask, and wait until all has come; it may still be on its way to S3.

        Raises:
            OriginError: it failed, or the server says that this is not all (206).
            StoreUnavailable: it cannot be kept.
        """
        is_one = ask.level is not Level.IMAGE or len(ask.instances) == 1
        return await self._cancellation.run(self._stream(ask) if is_one else self._each(ask))

    async def _each(self, ask: Ask) -> int:
        """Ask for instances one by one, several at a time; one that fails holds up no other."""
        waiting = deque(Ask.for_instances(ask.study, (one,)) for one in ask.instances)
        failures: list[OriginError] = []
        came = in_a_row = 0

        async def pull_waiting() -> None:
            nonlocal came, in_a_row
            while waiting and in_a_row < FAILED_AT_MOST:
                try:
                    came += await self._stream(waiting.popleft())
                    in_a_row = 0
                except (OriginUnreachable, OriginTimeout, CircuitOpen):
                    raise
                except OriginError as error:
                    failures.append(error)
                    in_a_row += 1

        # One connection is for what is wanted ahead.
        pullers = max(1, min(self._client.origin.connections - 1, len(waiting)))
        await together(*(pull_waiting() for _ in range(pullers)))
        if failures:
            raise failures[0]
        return came

    async def _stream(self, ask: Ask) -> int:
        try:
            path = path_of(ask)
        except InvalidParameter:
            raise NotDelivered("The origin lists it by what no URL can name", origin=self._origin) from None
        try:
            with self.wording.learning(ask):
                return await self._accepting.first_taken(
                    lambda accept: self._parts(path, accept), alone=ask.level is Level.IMAGE
                )
        except OriginUnreachable as error:
            if error.detail != BROKE_OFF:
                raise
            # It is there, and breaks off when it is asked for this.
            raise TruncatedAnswer(error.detail, origin=error.origin) from None

    async def _parts(self, path: str, accept: str) -> int:
        came = 0
        async with self._client.stream_parts(path, accept) as parts:
            async for part in parts:
                file = await collected(part, self._threads)
                came += 1
                if not await self._threads.run(self._delivery.take_file, file):
                    await self._delivery.settle()  # says why
                    raise StoreUnavailable("Nothing more is taken")
            if parts.http_status == HTTPStatus.PARTIAL_CONTENT:
                raise NotDelivered("The origin says that it sent only a part", origin=self._origin)
        return came
