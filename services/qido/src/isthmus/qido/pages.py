"""Pages that follow each other, though an origin may answer in another order each time (PS3.18 8.3.4.4).

C-FIND knows no pages and no order: each page is a query of its own, of which the beginning is dropped. So
which matches a search has given, and in which order, is kept in NATS for some minutes, for all replicas: a
later page has those that it had before, and goes on with what was never given. Nobody waits for that: where
it cannot be had, a page is cut out of the origin's order as it is.

Kept are digests of the UIDs, under a digest of the search: nothing that names a patient.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import nats.errors
import orjson
from nats.js.errors import KeyNotFoundError
from nats.js.kv import KeyValue

from isthmus.common.auth import Permit
from isthmus.common.bus import Bus
from isthmus.common.bus.buckets import bucket
from isthmus.common.bus.streams import PAGES_BUCKET
from isthmus.common.dicom.levels import Level
from isthmus.common.telemetry import get_logger
from isthmus.qido.parameters import SearchParameters
from isthmus.qido.plan import Scope
from isthmus.qido.search import Finder
from isthmus.qido.settings import QidoSettings
from isthmus.qido.window import IDENTITY_BYTES, Found, Window

RECALL_SECONDS: Final = 0.5
"""How long a later page waits for what was given before."""
WRITE_SECONDS: Final = 5.0
REMEMBERED: Final = 50_000
"""Matches of one search; 400 KiB."""

log = get_logger(__name__)

Identities = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Pages:
    """Answers searches page by page."""

    bus: Bus
    settings: QidoSettings
    search: Finder
    _writing: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    """What is being written down, by search: the next page may be asked for before NATS has it."""

    async def find(self, scope: Scope, parameters: SearchParameters) -> Found:
        """Give the page that limit and offset tell.

        Raises:
            IsthmusError: what the finder raises.
        """
        most = self.settings.max_matches
        limit = most if parameters.limit is None else min(parameters.limit, most)
        offset = parameters.offset
        key = _key(scope, parameters)
        # The first page is the origin's own: who asks for it anew wants what is new.
        known = await self._recall(key) if offset else ()
        window = Window(
            limit,
            skip=max(0, offset - len(known)),
            given=known[:offset],
            expected=known[offset : offset + limit],
        )
        found = await self.search(scope, parameters, window)
        if offset:
            later = _without(known[offset + limit :], found.passed)
            self._remember(key, (*window.given, *found.passed, *later))
        elif found.more:
            self._remember(key, found.passed)
        return found

    async def _recall(self, key: str) -> Identities:
        """Give what the search has given until now; nothing where that is not known."""
        try:
            async with asyncio.timeout(RECALL_SECONDS):
                if key in self._writing:
                    await asyncio.wait({self._writing[key]})
                return await self._read(key)
        except (nats.errors.Error, TimeoutError):
            return ()

    def _remember(self, key: str, order: Identities) -> None:
        """Write it down beside the answer."""
        writing = asyncio.create_task(self._write(key, order, self._writing.get(key)))
        self._writing[key] = writing
        writing.add_done_callback(lambda _: self._written(key, writing))

    async def _write(self, key: str, order: Identities, previous: asyncio.Task[None] | None) -> None:
        if previous is not None:
            await asyncio.wait({previous})
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                known = await self._read(key)
                if known[: len(order)] == order:
                    order = known  # others are further on in the same search: they go on
                await self._bucket().put(key, b"".join(order[:REMEMBERED]))
        except (nats.errors.Error, TimeoutError) as error:
            log.info("pages not kept", reason=type(error).__name__)

    async def _read(self, key: str) -> Identities:
        try:
            entry = await self._bucket().get(key)
        except KeyNotFoundError:
            return ()
        value = entry.value or b""
        whole = len(value) - len(value) % IDENTITY_BYTES
        return tuple(value[at : at + IDENTITY_BYTES] for at in range(0, whole, IDENTITY_BYTES))

    def _written(self, key: str, writing: asyncio.Task[None]) -> None:
        if self._writing.get(key) is writing:
            del self._writing[key]

    def _bucket(self) -> KeyValue:
        return bucket(self.bus, PAGES_BUCKET)


def _without(identities: Identities, others: Identities) -> Identities:
    left = Counter(others)
    kept: list[bytes] = []
    for one in identities:
        if left[one] > 0:
            left[one] -= 1
        else:
            kept.append(one)
    return tuple(kept)


def _key(scope: Scope, parameters: SearchParameters) -> str:
    """Name a search and who may see what of it, whatever the page and whatever it returns."""
    keys: Sequence[object] = sorted(
        [list(key.path), sorted(key.values), key.wanted.value] for key in parameters.keys
    )
    uids = [scope.uids.get(level) for level in Level]
    permits = [[origin, _written(permit)] for origin, permit in scope.permits.items()]
    search = orjson.dumps([scope.origin, scope.level.value, uids, keys, parameters.fuzzy, permits])
    return hashlib.blake2b(search, digest_size=20).hexdigest()


def _written(permit: Permit) -> Sequence[object]:
    """Write what may be seen, in the same way in every process: others are not on the same pages."""
    filters = (one.model_dump(mode="json", exclude_defaults=True) for one in permit.filters)
    ordered = (
        [[name, sorted(value) if isinstance(value, list) else value] for name, value in sorted(one.items())]
        for one in filters
    )
    return [permit.study, sorted(orjson.dumps(one).decode() for one in ordered)]
