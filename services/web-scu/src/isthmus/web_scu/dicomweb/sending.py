"""Instances of a store job on their way: several to a request, out of S3 as they are sent (PS3.18 10.5)."""

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.dicomweb.multipart_out import multipart_length
from isthmus.common.errors import (
    BlobMissing,
    CircuitOpen,
    HttpOperationFailed,
    IsthmusError,
    NotTried,
    OriginError,
    OriginTimeout,
    OriginUnreachable,
    StoreUnavailable,
    TruncatedAnswer,
)
from isthmus.common.messages import InstanceStored
from isthmus.common.storing import Numbered, not_stored
from isthmus.common.telemetry import get_logger
from isthmus.common.webclient import OutgoingPart, WebClient
from isthmus.common.webclient.failures import BROKE_OFF
from isthmus.web_scu.dicomweb.answers import Answered

DICOM: Final = "application/dicom"
INSTANCES_AT_ONCE: Final = 50
BYTES_AT_ONCE: Final = 64 * 1024 * 1024
"""Of one request, unless a single instance is larger."""
TRIES: Final = 2
"""Of a request whose answer got lost: who has an instance already says so, or takes it again."""
BROKE_OFF_AT_MOST: Final = 3
"""Single instances in a row over which the connection broke off, after which no others are sent."""
_LOST: Final = (OriginUnreachable, TruncatedAnswer)
"""A silence is not repeated: whoever waits for the answer would not wait for another."""
_ALL_ALIKE: Final = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.NOT_IMPLEMENTED,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
        HTTPStatus.INSUFFICIENT_STORAGE,
    }
)
"""Refusals that have nothing to do with the instance: it is no use to try each of the others."""

log = get_logger(__name__)


class Sending:
    """Sends the instances of one job, one request after the other."""

    def __init__(self, client: WebClient, blobs: BlobStore, origin: str) -> None:
        """Send nothing yet.

        Args:
            client: speaks with the server.
            blobs: where the instances are.
            origin: the name of the origin.
        """
        self._client = client
        self._blobs = blobs
        self._origin = origin
        self._given_up: IsthmusError | None = None
        """Why the rest is not sent."""
        self._one_by_one = False
        """Whether several together are too much for it."""
        self._broke_off = 0
        """How often in a row it broke off when it was sent a single instance."""

    async def send(self, batch: Sequence[Numbered]) -> AsyncGenerator[InstanceStored, None]:
        """Send instances together, and give what became of each; a batch that is refused, one by one."""
        if self._given_up is not None:
            for one in batch:
                yield not_stored(*one, self._given_up)
            return
        if self._one_by_one and len(batch) > 1:
            async with aclosing(self._each(batch)) as results:
                async for result in results:
                    yield result
            return
        outgoing = _Outgoing(self._blobs, batch)
        try:
            answered = await self._answered(outgoing)
        except StoreUnavailable as error:
            async with aclosing(self._without(outgoing, error)) as results:
                async for result in results:
                    yield result
            return
        except OriginError as error:
            if len(batch) == 1 or not _may_be_of_one(error):
                self._give_up(error)
                for one in batch:
                    yield not_stored(*one, error)
                return
            answered = None
            self._one_by_one = self._one_by_one or _is_too_much(error)
        self._broke_off = 0
        if answered is not None and (answered.names_any or answered.is_success or len(batch) == 1):
            for one in batch:
                yield answered.of(one)
            return
        log.info("refused together, sent one by one", origin=self._origin, instances=len(batch))
        async with aclosing(self._each(batch)) as results:
            async for result in results:
                yield result

    async def _each(self, batch: Sequence[Numbered]) -> AsyncGenerator[InstanceStored, None]:
        for one in batch:
            async with aclosing(self.send((one,))) as results:
                async for result in results:
                    yield result

    async def _answered(self, outgoing: "_Outgoing") -> Answered:
        """Send, and once more where the answer got lost.

        Raises:
            OriginError: there was no answer, or none that says what became of them.
            StoreUnavailable: S3 does not give all of it; nothing is stored then.
        """
        for left in reversed(range(TRIES)):
            try:
                answer = await self._client.post_parts("studies", outgoing.parts, length=outgoing.length)
            except _LOST as error:
                if not left:
                    raise
                log.info("store repeated", origin=self._origin, error=type(error).__name__)
            else:
                return Answered(answer, self._origin)
        raise AssertionError

    async def _without(
        self, outgoing: "_Outgoing", error: StoreUnavailable
    ) -> AsyncGenerator[InstanceStored, None]:
        """Leave out what S3 does not have, and send the others; where S3 is away, nothing more."""
        missing = outgoing.current if isinstance(error, BlobMissing) else None
        if missing is None:
            self._given_up = error
        else:
            yield not_stored(*missing, error)
        others = [one for one in outgoing.batch if one is not missing]
        if others:
            async with aclosing(self.send(others)) as results:
                async for result in results:
                    yield result

    def _give_up(self, error: OriginError) -> None:
        if _broke_off(error):
            self._broke_off += 1
            if self._broke_off == BROKE_OFF_AT_MOST:
                self._given_up = error
        elif isinstance(error, OriginTimeout):
            self._given_up = NotTried("The origin stays silent", origin=self._origin)
        elif isinstance(error, OriginUnreachable | CircuitOpen) or _is_for_all(error):
            self._given_up = error


def batches(instances: Iterable[Numbered]) -> Iterator[list[Numbered]]:
    """Put together what goes into one request: of one study, within bounds of number and of bytes."""
    batch: list[Numbered] = []
    size = 0
    for one in instances:
        ref = one[1]
        is_full = len(batch) == INSTANCES_AT_ONCE or size + ref.size > BYTES_AT_ONCE
        if batch and (is_full or ref.study_instance_uid != batch[0][1].study_instance_uid):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += ref.size
    if batch:
        yield batch


class _Outgoing:
    """The parts of a request, from S3."""

    def __init__(self, blobs: BlobStore, batch: Sequence[Numbered]) -> None:
        self._blobs = blobs
        self.batch: Final = batch
        self.current: Numbered | None = None
        """The one that is read just now."""

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return multipart_length(DICOM, ((None, ref.size) for _, ref in self.batch))

    async def parts(self) -> AsyncGenerator[OutgoingPart, None]:
        """Give them from the first one on."""
        for one in self.batch:
            self.current = one
            async with aclosing(self._blobs.stream(one[1].key)) as content:
                yield OutgoingPart(content, length=one[1].size)
        self.current = None


def _may_be_of_one(error: OriginError) -> bool:
    """Tell whether a failure may come from one of several instances, and the others are good."""
    return _broke_off(error) or (isinstance(error, HttpOperationFailed) and not _is_for_all(error))


def _is_too_much(error: OriginError) -> bool:
    """Tell whether it is the size of a request: some break off instead of saying so (413)."""
    too_large = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return _broke_off(error) or (isinstance(error, HttpOperationFailed) and error.http_status == too_large)


def _broke_off(error: OriginError) -> bool:
    return isinstance(error, OriginUnreachable) and error.detail == BROKE_OFF


def _is_for_all(error: OriginError) -> bool:
    return isinstance(error, HttpOperationFailed) and error.http_status in _ALL_ALIKE
