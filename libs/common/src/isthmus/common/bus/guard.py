"""Who is at work on a study now: one job at a time, whatever its lane.

The holder is the only one who writes the study's manifest. A key of the bucket expires when it was not
renewed for `GUARD_SECONDS`, as when its holder was killed. It is no fence: a holder that was away from NATS
for so long goes on, and its manifest is right, though possibly older than another's.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import Final

import nats.errors
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from isthmus.common.bus import subjects
from isthmus.common.bus.buckets import bucket, bucket_errors
from isthmus.common.bus.client import Bus
from isthmus.common.bus.ending import end_tasks
from isthmus.common.bus.streams import GUARD_BUCKET, GUARD_SECONDS
from isthmus.common.bus.submitted import Lane, Submitted
from isthmus.common.errors import ContractError
from isthmus.common.messages import decode, encode
from isthmus.common.telemetry import get_logger

RENEW_SECONDS: Final = 3.0
LOOK_SECONDS: Final = 0.1
"""How often somebody who waits looks whether the study is free."""
BULK_LOOK_SECONDS: Final = 1.0
"""The same for jobs for which nobody waits: the others go first."""
RELEASE_SECONDS: Final = 2.0
"""A release that takes longer is left to the expiry."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Hold:
    """What the bucket says of a study."""

    by: str
    """Random: the same job in other hands is another hold."""
    job: Submitted | None


@asynccontextmanager
async def guard(bus: Bus, origin: str, study: str, holder: Submitted | None) -> AsyncIterator[None]:
    """Have a study to oneself while the block runs; waits while another holds it.

    A job that another worker began is taken over at once: that one is dead. `holder` is None for what is no
    job, such as clearing the cache.

    Raises:
        BusUnavailable: NATS is away.
    """
    held = _Guard(bus, origin, study, Hold(token_hex(8), holder))
    with bucket_errors(GUARD_BUCKET):
        await held.take()
    async with _kept(held):
        yield


@asynccontextmanager
async def guard_if_free(bus: Bus, origin: str, study: str) -> AsyncIterator[bool]:
    """Have a study to oneself while the block runs, unless another holds it: the block is told whether so.

    Raises:
        BusUnavailable: NATS is away.
    """
    held = _Guard(bus, origin, study, Hold(token_hex(8), None))
    with bucket_errors(GUARD_BUCKET):
        is_free = await held.try_once(take_over=False)
    if not is_free:
        yield False
        return
    async with _kept(held):
        yield True


@asynccontextmanager
async def _kept(held: "_Guard") -> AsyncIterator[None]:
    renewing = asyncio.create_task(held.renew())
    try:
        yield
    finally:
        try:
            await end_tasks([renewing])
        finally:
            await held.release()


async def running(bus: Bus, origin: str, study: str) -> Submitted | None:
    """Give the job that is at work on a study now.

    Raises:
        BusUnavailable: NATS is away.
    """
    with bucket_errors(GUARD_BUCKET):
        try:
            entry = await bucket(bus, GUARD_BUCKET).get(_key(origin, study), validate_keys=False)
        except KeyNotFoundError:
            return None
    return _hold(entry).job


def _hold(entry: KeyValue.Entry) -> Hold:
    try:
        return decode(entry.value or b"", Hold)
    except ContractError:  # of another version of ours
        return Hold("", None)


def _key(origin: str, study: str) -> str:
    return f"{subjects.token(origin)}.{subjects.token(study)}"


class _Guard:
    def __init__(self, bus: Bus, origin: str, study: str, hold: Hold) -> None:
        self._bucket = bucket(bus, GUARD_BUCKET)
        self._key = _key(origin, study)
        self._origin = origin
        self._hold = hold
        self._value = encode(hold)
        self._revision = 0

    async def take(self) -> None:
        job = self._hold.job
        look_seconds = BULK_LOOK_SECONDS if job and job.lane is Lane.BULK else LOOK_SECONDS
        while True:
            if await self.try_once(take_over=True):
                return
            await asyncio.sleep(look_seconds)

    async def try_once(self, *, take_over: bool) -> bool:
        """Take it, if it is free; or from a dead worker of the same job."""
        try:
            entry = await self._bucket.get(self._key, validate_keys=False)
        except KeyNotFoundError:
            return await self._create()
        there = _hold(entry)
        if there.by == self._hold.by:  # taken, and we did not hear of it
            self._revision = entry.revision or 0
            return True
        if take_over and there.job is not None and there.job == self._hold.job:
            return await self._update(entry.revision or 0)
        return False

    async def _create(self) -> bool:
        with suppress(KeyWrongLastSequenceError):
            self._revision = await self._bucket.create(self._key, self._value, validate_keys=False)
            return True
        return False

    async def _update(self, revision: int) -> bool:
        with suppress(KeyWrongLastSequenceError):
            self._revision = await self._bucket.update(
                self._key, self._value, last=revision, validate_keys=False
            )
            return True
        return False

    async def renew(self) -> None:
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        told = False
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                kept = await self._renew_once()
            except (nats.errors.Error, TimeoutError):
                if not told and loop.time() - renewed > GUARD_SECONDS:
                    log.warning("guard not renewed", origin=self._origin)
                    told = True
                continue
            if not kept:
                log.warning("guard lost", origin=self._origin)
                return
            renewed, told = loop.time(), False

    async def _renew_once(self) -> bool:
        # Otherwise it expired while NATS was away, was renewed without our hearing of it, or another has it.
        return await self._update(self._revision) or await self.try_once(take_over=False)

    async def release(self) -> None:
        with suppress(nats.errors.Error, TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._bucket.delete(self._key, last=self._revision, validate_keys=False)
