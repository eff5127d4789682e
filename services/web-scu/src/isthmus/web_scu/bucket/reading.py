"""The instances of a study in a bucket: what is known already, and the heads of what is new."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import end_tasks
from isthmus.common.config import S3Origin
from isthmus.common.config.key_pattern import Place
from isthmus.common.errors import BlobMissing, BlobRefused, MalformedDataset
from isthmus.common.inbox.contents import Row, shared
from isthmus.common.inbox.deposit import Incoming
from isthmus.common.inbox.merge import by_level
from isthmus.common.messages import BlobRef, MissingInstance
from isthmus.web_scu.bucket.heads import read_head
from isthmus.web_scu.bucket.listing import Candidate

AT_ONCE: Final = 8
"""Heads of one study."""


class LeftOut(StrEnum):
    """Why an object is no instance for us."""

    EMPTY = "empty"
    """It has no bytes."""
    NO_DICOM = "no_dicom"
    """It is no DICOM file (PS3.10), or breaks off, or lacks a UID."""
    OTHER_UIDS = "other_uids"
    """Its UIDs are not those of its key."""
    DUPLICATE = "duplicate"
    """Another object of the study has its SOP Instance UID, and a key that comes before."""
    GONE = "gone"
    """It was deleted or overwritten between the listing and the reading."""
    REFUSED = "refused"
    """It is not given to us: it is asked for again with the next scan."""


ASKED_FOR_AGAIN: Final = frozenset({LeftOut.GONE, LeftOut.REFUSED})
"""Others stay as they are while the listing says the same."""
_UID: Final = re.compile(r"[0-9.]{1,64}", re.ASCII)


@dataclass(slots=True)
class Found:
    """What a study consists of."""

    rows: dict[str, Row] = field(default_factory=dict)
    """By SOP Instance UID."""
    new: list[tuple[Row, Incoming]] = field(default_factory=list)
    """Those that were not known, and what their heads say."""
    left_out: Counter[LeftOut] = field(default_factory=Counter)
    missing: tuple[MissingInstance, ...] = ()
    """Those that the bucket lists, by their keys, and that cannot be had: faces say that they lack."""

    @property
    def is_to_be_asked_for(self) -> bool:
        """Whether something may be had that could not be, though the bucket still lists the same."""
        return any(self.left_out[why] for why in ASKED_FOR_AGAIN)


class Reader:
    """Reads heads of one bucket."""

    def __init__(self, blobs: BlobStore, origin: S3Origin) -> None:
        """Prepare; `blobs` finds by their keys what lies in the origin's bucket."""
        self._blobs = blobs
        self._origin = origin

    async def read(self, found: Sequence[Candidate], known: Iterable[Row]) -> Found:
        """Describe the instances of a study.

        Args:
            found: its objects.
            known: what was read of it before.

        Raises:
            StoreUnavailable: the bucket does not give something that it lists, and nobody knows what it is.
        """
        by_key = {row.blob.key: row for row in known}
        study = Found()
        left = sorted(found, key=lambda one: one.listed.key)
        unknown = [one for one in left if one.key_in(self._origin) not in by_key]
        heads = await self._heads(unknown)
        missing: dict[MissingInstance, None] = {}
        for one in left:
            key = one.key_in(self._origin)
            head = heads.get(key)
            if isinstance(head, LeftOut):
                study.left_out[head] += 1
                if _UID.fullmatch(one.place.instance):  # what is named otherwise is something else
                    missing[MissingInstance(one.place.series, one.place.instance)] = None
                continue
            row = by_key[key] if head is None else self._row(one, key, head)
            if row.blob.sop_instance_uid in study.rows:
                study.left_out[LeftOut.DUPLICATE] += 1
                continue
            study.rows[row.blob.sop_instance_uid] = row
            if head is not None:
                study.new.append((row, head))
        study.missing = tuple(one for one in missing if one.sop_instance_uid not in study.rows)
        return study

    async def _heads(self, unknown: Sequence[Candidate]) -> dict[str, Incoming | LeftOut]:
        """Read what the objects begin with, several at a time."""
        heads: dict[str, Incoming | LeftOut] = {}
        left = iter(unknown)

        async def read_some() -> None:
            for one in left:
                heads[one.key_in(self._origin)] = await self._head(one)

        reading = [asyncio.create_task(read_some()) for _ in range(min(AT_ONCE, len(unknown)))]
        try:
            await asyncio.gather(*reading)
        finally:
            await end_tasks(reading)
        return heads

    async def _head(self, one: Candidate) -> Incoming | LeftOut:
        if not one.listed.size:
            return LeftOut.EMPTY
        try:
            head = await read_head(self._blobs, one.key_in(self._origin), one.listed.size, one.listed.etag)
        except MalformedDataset:
            return LeftOut.NO_DICOM
        except BlobMissing:
            return LeftOut.GONE
        except BlobRefused:
            return LeftOut.REFUSED
        uids = head.identity
        place = Place(uids.study_instance_uid, uids.series_instance_uid, uids.sop_instance_uid)
        return head if place == one.place else LeftOut.OTHER_UIDS

    def _row(self, one: Candidate, key: str, head: Incoming) -> Row:
        uids = head.identity
        blob = BlobRef(
            self._origin.bucket,
            key,
            head.size,
            uids.study_instance_uid,
            uids.series_instance_uid,
            uids.sop_instance_uid,
            uids.sop_class_uid,
            head.transfer_syntax_uid,
        )
        _, _, image = by_level(head.attributes)
        return Row(blob, head.digest, one.listed.modified, shared(image))
