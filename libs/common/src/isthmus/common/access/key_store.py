"""The API keys that there are, in the KV bucket `KEYS`: what is kept of each, and when it was used last.

Both are records of their own: faces may write when a key was used, and only the operator's commands may write
a key (`isthmus.common.bus.accounts`). NATS itself can be made to write for others, by a request that wants
its answer there: so what is kept of a key is sealed with the signing key of the services, too. Who has stolen
a password of a service for NATS can make none.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic, time
from typing import Final

import nats.errors

from isthmus.common.auth.api_keys import KeyRecord, Presented, key_id, make_key, presented
from isthmus.common.bus import Bus
from isthmus.common.bus.buckets import Records
from isthmus.common.bus.client import bus_errors
from isthmus.common.bus.streams import KEYS_BUCKET
from isthmus.common.bus.subjects import token
from isthmus.common.errors import BusUnavailable, ContractError, Forbidden
from isthmus.common.messages import decode, encode
from isthmus.common.telemetry import get_logger

FRESH_SECONDS: Final = 2.0
"""After so long a key is looked at again, beside the request that shows it."""
STALE_SECONDS: Final = 4.0
"""What was not looked at for so long does not count: so soon a key that was revoked is refused everywhere."""
AGAIN_SECONDS: Final = 0.25
"""So often at most a key is read because somebody shows another one than is there: it may be a new one."""
READ_SECONDS: Final = 2.0
"""For NATS to give a record."""
USED_SECONDS: Final = 60.0
"""Between two notes of a use."""
MOST_KNOWN: Final = 4096
_KEY: Final = "key"
_USED: Final = "used"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LastUse:
    """When a key was used last, to the minute."""

    at: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key, as the operator sees it."""

    record: KeyRecord
    last_used: float | None


@dataclass(slots=True)
class _Looked:
    record: KeyRecord | None
    at: float
    """When it was read (monotonic)."""


class KeyStore:
    """The keys, as faces see them: each is read when it is shown, and remembered for some seconds."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._records = Records(bus, KEYS_BUCKET)
        self._looked: OrderedDict[str, _Looked] = OrderedDict()
        self._reading: dict[str, asyncio.Task[KeyRecord | None]] = {}
        self._noted: OrderedDict[str, float] = OrderedDict()
        """When a use of a key was noted last (monotonic), by its id."""
        self._noting: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """End what is being read and noted."""
        tasks: list[asyncio.Task[None] | asyncio.Task[KeyRecord | None]] = [
            *self._reading.values(),
            *self._noting,
        ]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def require(self, text: str, name: str | None = None) -> KeyRecord:
        """Give the record of a key that somebody shows, and note that it was used.

        Args:
            text: the key.
            name: the name that was given with it, if any.

        Raises:
            Unauthenticated: there is no such key, or it has expired or was revoked.
            BusUnavailable: nobody can tell.
        """
        shown = presented(text)
        record = shown.require(await self._record(shown), name)
        self._note(shown.id)
        return record

    async def _record(self, shown: Presented) -> KeyRecord | None:
        looked = self._looked.get(shown.id)
        if looked is None:
            return await asyncio.shield(self._read(shown.id))
        age = monotonic() - looked.at
        is_it = looked.record is not None and shown.is_of(looked.record)
        if age >= (STALE_SECONDS if is_it else AGAIN_SECONDS):
            return await asyncio.shield(self._read(shown.id))
        if is_it and age >= FRESH_SECONDS:
            self._read(shown.id)  # nobody waits for it
        return looked.record

    def _read(self, key: str) -> asyncio.Task[KeyRecord | None]:
        """Have a record read, once for all who wait for it."""
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.create_task(self._look(key))
            reading.add_done_callback(lambda done: self._done(key, done))
        return reading

    def _done(self, key: str, reading: asyncio.Task[KeyRecord | None]) -> None:
        self._reading.pop(key, None)
        if not reading.cancelled():
            reading.exception()  # whoever waits hears of it

    async def _look(self, key: str) -> KeyRecord | None:
        began = monotonic()
        record = _decoded(self._bus, key, await _content(self._bus, self._records, _KEY, key))
        self._looked[key] = _Looked(record, began)
        self._looked.move_to_end(key)
        if len(self._looked) > MOST_KNOWN:
            self._looked.popitem(last=False)
        return record

    def _note(self, key: str) -> None:
        """Note a use, at most once a minute, and beside the request."""
        now = monotonic()
        if now - self._noted.get(key, float("-inf")) < USED_SECONDS:
            return
        self._noted[key] = now
        self._noted.move_to_end(key)
        if len(self._noted) > MOST_KNOWN:
            self._noted.popitem(last=False)
        task = asyncio.create_task(self._write_use(key))
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)

    async def _write_use(self, key: str) -> None:
        subject = f"$KV.{KEYS_BUCKET}.{_USED}.{token(key)}"
        try:
            await self._bus.client.publish(subject, encode(LastUse(time())))
        except nats.errors.Error as error:
            log.warning("the use of a key is not noted", error=type(error).__name__)


class KeyRing:
    """The keys, as the operator sees them."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._records = Records(bus, KEYS_BUCKET)

    async def create(self, name: str, expires: float | None = None) -> str | None:
        """Make a key and give it: nobody can see it again; None where there is one of this name.

        Args:
            name: its name, by the grammar of `api_keys.NAME`.
            expires: when it ends (seconds since 1970); None: never.

        Raises:
            BusUnavailable: NATS is away.
        """
        text = make_key(name)
        shown = presented(text)
        record = encode(KeyRecord(name, shown.digest, time(), expires))
        sealed = self._bus.gate.grants.sealed(_sealed_as(shown.id), record)
        written = await self._records.write(sealed, 0, _KEY, shown.id)
        return None if written is None else text

    async def revoke(self, name: str) -> bool:
        """End a key; whether there was one.

        Raises:
            BusUnavailable: NATS is away.
        """
        content, _ = await self._records.read(_KEY, key_id(name))
        await self._records.forget(_KEY, key_id(name))
        await self._records.forget(_USED, key_id(name))
        return content is not None

    async def list(self) -> Sequence[KeyState]:
        """Give all keys, by their names.

        Raises:
            BusUnavailable: NATS is away.
        """
        found = []
        for key in await self._records.below(_KEY):
            record = _decoded(self._bus, key, (await self._records.read(_KEY, key))[0])
            if record is not None:
                found.append(KeyState(record, await self._last_use(key)))
        return sorted(found, key=lambda state: state.record.name)

    async def _last_use(self, key: str) -> float | None:
        content, _ = await self._records.read(_USED, key)
        return None if content is None else decode(content, LastUse).at


async def _content(bus: Bus, records: Records, *names: str) -> bytes | None:
    if not bus.connected:  # nats-py would keep the request for as long as its time-out
        raise BusUnavailable("The keys cannot be read: NATS is away")
    with bus_errors("The keys cannot be read"):
        async with asyncio.timeout(READ_SECONDS):
            return (await records.read(*names))[0]


def _decoded(bus: Bus, key: str, content: bytes | None) -> KeyRecord | None:
    if content is None:
        return None
    try:
        return decode(bus.gate.grants.unsealed(_sealed_as(key), content), KeyRecord)
    except (ContractError, Forbidden) as error:
        log.error("what is kept of a key does not count", key_id=key, detail=error.detail)
        return None


def _sealed_as(key: str) -> str:
    """Name the record of a key, so that what is sealed for another purpose is none."""
    return f"{KEYS_BUCKET}.{_KEY}.{key}"
