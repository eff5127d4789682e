"""The instances of a study in an inbox: a list in S3 that is never written over.

It is written as blocks, one behind the other, each a compressed message of some rows. What is added to a list
that was read or written before is one block more, so that the work for an instance does not grow with the
number of those that are there already. A later row of the same SOP Instance UID takes the place of the first.
"""

import asyncio
import hashlib
import struct
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from secrets import token_hex
from time import time
from typing import Final, Self

import msgpack

from isthmus.common.blobs import BlobStore, contents_key
from isthmus.common.dicom.json_values import DicomJson, JsonElement
from isthmus.common.errors import ContractError
from isthmus.common.messages import BlobRef, MissingInstance, decode, encode
from isthmus.common.retrieval.manifest import HeldInstance, HeldSeries, Manifest

COMPRESSION: Final = 1
REMEMBERED: Final = 20_000
"""Rows of lists that stay decoded."""
MOST_BLOCKS: Final = 64
"""A list of more is written anew, as one."""
MOST_SHARED: Final = 10_000
_LENGTH: Final = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Row:
    """An instance that arrived."""

    blob: BlobRef
    digest: str
    """SHA-256 of the Part 10 file, in hex."""
    stored: float
    """Seconds since 1970."""
    attributes: DicomJson
    """Of the instance's level."""
    others: tuple[BlobRef, ...] = ()
    """Blobs with the same SOP Instance UID and other bytes, which nobody reads."""
    revision: int = 1
    """Of the event of the study that tells of it."""
    is_named: bool = False
    """Whether a report of its sender named it."""


@dataclass(frozen=True, slots=True)
class _Written:
    """What is in S3 of a list, as it is there."""

    data: bytes = b""
    blocks: int = 0


@dataclass(frozen=True, slots=True)
class Contents:
    """All instances of a study."""

    rows: Mapping[str, Row] = field(default_factory=dict)
    """By SOP Instance UID, in the order in which they came."""
    _written: _Written | None = field(default=None, repr=False, compare=False)
    _added: Mapping[str, Row] = field(default_factory=dict, repr=False, compare=False)
    """Rows that are not in `_written`."""

    def with_rows(self, rows: Mapping[str, Row]) -> Self:
        """Add rows, or put them in the place of those with the same SOP Instance UIDs."""
        return type(self)({**self.rows, **rows}, self._written, {**self._added, **rows})

    def manifest(self, origin: str, study: str, missing: Iterable[MissingInstance] = ()) -> Manifest:
        """Describe them as the catalogue does: whole, and just checked, but for what is missing."""
        now = time()
        held: dict[str, list[HeldInstance]] = {}
        for row in self.rows.values():
            held.setdefault(row.blob.series_instance_uid, []).append(HeldInstance(row.blob, row.stored))
        lacking: dict[str, list[MissingInstance]] = {}
        for one in missing:
            lacking.setdefault(one.series_instance_uid, []).append(one)
        return Manifest(
            origin,
            study,
            tuple(_series(uid, held.get(uid, ()), lacking.get(uid, ()), now) for uid in {**held, **lacking}),
            now,
        )

    def to_write(self) -> _Written:
        """Give it as it is to be in S3."""
        before, rows = self._written, self._added
        if before is None or before.blocks >= MOST_BLOCKS:
            before, rows = _Written(), self.rows
        if not rows:
            return before
        return _Written(before.data + _block(rows), before.blocks + 1)


def _series(
    uid: str, held: Sequence[HeldInstance], missing: Sequence[MissingInstance], now: float
) -> HeldSeries:
    count = len(held) + len(missing)
    return HeldSeries(uid, tuple(held), count, now, tuple(missing), tried=now, counted=count)


@dataclass(frozen=True, slots=True)
class _Block:
    """Some rows of a list."""

    rows: tuple[Row, ...]


class ContentsStore:
    """Where the lists lie; what was read or written last stays decoded."""

    def __init__(self, blobs: BlobStore, remembered: int = REMEMBERED) -> None:
        """Prepare; lists of so many rows together stay decoded."""
        self._blobs = blobs
        self._remembered = remembered
        self._rows = 0
        self._decoded: OrderedDict[str, Contents] = OrderedDict()

    async def load(self, key: str | None) -> Contents:
        """Read a list; an empty one for None.

        Raises:
            BlobMissing: it was replaced meanwhile: read the record again.
            StoreUnavailable: S3 is away.
            ContractError: it is of another version.
        """
        if key is None:
            return Contents()
        if key not in self._decoded:
            contents = await asyncio.to_thread(_read, await self._blobs.get(key))
            self._remember(key, contents)
            return contents
        self._decoded.move_to_end(key)
        return self._decoded[key]

    async def save(self, origin: str, study: str, contents: Contents) -> str:
        """Write a list and give its key, which no other list has ever had, not even the same one.

        So whoever wrote a list that became nobody's may drop it, whatever others do meanwhile.

        Raises:
            StoreUnavailable: S3 does not take it.
        """
        written = await asyncio.to_thread(contents.to_write)
        digest = await asyncio.to_thread(lambda: hashlib.sha256(written.data).hexdigest())
        key = contents_key(origin, study, f"{digest}-{token_hex(4)}")
        await self._blobs.put(key, written.data)
        self._remember(key, Contents(contents.rows, written))
        return key

    async def drop(self, key: str | None) -> None:
        """Delete a list that no record names any more.

        Raises:
            StoreUnavailable: S3 does not do it.
        """
        if key is not None:
            self._forget(key)
            await self._blobs.delete(key)

    async def drop_all(self, keys: Iterable[str]) -> None:
        """Delete many lists that no record names any more, by few requests.

        Raises:
            StoreUnavailable: S3 does not do it, or not all of it.
        """
        keys = tuple(keys)
        for key in keys:
            self._forget(key)
        await self._blobs.delete_all(keys)

    def _remember(self, key: str, contents: Contents) -> None:
        self._forget(key)  # another one may have read it meanwhile
        self._decoded[key] = contents
        self._rows += len(contents.rows)
        while self._rows > self._remembered:
            self._forget(next(iter(self._decoded)))

    def _forget(self, key: str) -> None:
        forgotten = self._decoded.pop(key, None)
        if forgotten is not None:
            self._rows -= len(forgotten.rows)


_shared: dict[bytes, JsonElement] = {}


def shared(attributes: DicomJson) -> DicomJson:
    """Give the same attributes of elements that are one object wherever they are equal.

    Most are equal all through a series, and lists of many instances stay in memory: a row takes a third then.
    """
    if len(_shared) > MOST_SHARED:
        _shared.clear()
    return {tag: _shared.setdefault(msgpack.packb(element), element) for tag, element in attributes.items()}


def _block(rows: Mapping[str, Row]) -> bytes:
    data = zlib.compress(encode(_Block(tuple(rows.values()))), COMPRESSION)
    return _LENGTH.pack(len(data)) + data


def _read(data: bytes) -> Contents:
    blocks = list(_blocks(data))
    rows = {
        row.blob.sop_instance_uid: replace(row, attributes=shared(row.attributes))
        for block in blocks
        for row in block.rows
    }
    return Contents(rows, _Written(data, len(blocks)))


def _blocks(data: bytes) -> Iterator[_Block]:
    at = 0
    while at < len(data):
        try:
            (length,) = _LENGTH.unpack_from(data, at)
            at += _LENGTH.size
            if at + length > len(data):
                raise ContractError("list of a study: it is cut off")
            yield decode(zlib.decompress(data[at : at + length]), _Block)
        except (struct.error, zlib.error) as error:
            raise ContractError(f"list of a study: {type(error).__name__}") from None
        at += length
