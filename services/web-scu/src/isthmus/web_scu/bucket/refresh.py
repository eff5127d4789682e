"""The records of the studies in a bucket, made again where the bucket has changed.

They lie where those of inboxes lie, and the lists of instances too (`inbox.state`, `inbox.contents`), so that
all replicas share them, and a restart reads no object anew. A record holds the digest of what was listed of
its study; a listing with another digest has the study listed by itself, and the objects read that are new.
That second listing comes after the record was read, and the record is only written if it is still the same:
whoever lists last is right, whoever else lists at the same time.
"""

import itertools
from contextlib import suppress
from dataclasses import replace
from typing import Final

from isthmus.common.blobs import BlobStore, derived_prefix
from isthmus.common.bus import Bus
from isthmus.common.config import S3Origin
from isthmus.common.errors import BlobMissing, BlobRefused, ContractError, StoreUnavailable
from isthmus.common.inbox.contents import Contents, ContentsStore
from isthmus.common.inbox.merge import by_level, counted_series
from isthmus.common.inbox.reading import read_study
from isthmus.common.inbox.state import Phase, States, StudyState, Versioned
from isthmus.common.telemetry import get_logger, span
from isthmus.common.telemetry.attributes import DICOM_ORIGIN, ISTHMUS_REASON
from isthmus.common.telemetry.instruments import bucket_left_out, bucket_read
from isthmus.web_scu.bucket.listing import Candidate, candidates, listing_digest
from isthmus.web_scu.bucket.reading import Found, LeftOut, Reader

LISTED_AT_MOST: Final = 3
"""Times in a row, while what was listed is another one, or gone, when it is read."""
LIST_SECONDS: Final = 10.0
"""For each thousand objects of a study: clients wait for it, and modalities no longer than half a minute."""
MOST_MISSING: Final = 2_000
"""Instances of a study that are named as missing: its record has room for 1 MiB."""

log = get_logger(__name__)


class Refresher:
    """Looks at studies in one bucket."""

    def __init__(self, bus: Bus, blobs: BlobStore, bucket: BlobStore, origin: S3Origin) -> None:
        """Prepare.

        Args:
            bus: where the records are.
            blobs: where the lists are; it finds by their keys what lies in the bucket.
            bucket: the origin's, to be listed.
            origin: its settings.
        """
        self._states = States(bus)
        self._contents = ContentsStore(blobs)
        self._blobs = blobs
        self._bucket: Final = bucket
        self._origin: Final = origin
        self._reader = Reader(blobs, origin)

    async def refresh(self, study: str) -> None:
        """Make the record of a study again, unless it is as the bucket is now.

        Raises:
            BusUnavailable: NATS is away.
            BlobRefused: nothing of a study is given to us, or little of it; the record stays as it was.
            StoreUnavailable: a bucket does not give what it has; likewise.
            ContractError: the record is of another version, or of an inbox that had the bucket's name.
        """
        with span("refresh study of a bucket"):
            for attempt in itertools.count(1):
                found = await self._try_once(study)
                is_changing = found is None or found.left_out[LeftOut.GONE]
                if not is_changing or (found is not None and attempt >= LISTED_AT_MOST):
                    return

    async def _try_once(self, study: str) -> Found | None:
        """Do it, and give what is there if that is news; None where somebody else does at the same time."""
        before = await self._states.get(self._origin.name, study)
        if before.state.contents is not None and not before.state.listing:
            raise ContractError(
                f"{self._origin.name!r} holds studies of an inbox: a bucket needs another name"
            )
        pattern = self._origin.key_pattern
        prefix = pattern.study_prefix(study)
        listed = [one async for one in self._bucket.list(prefix, deadline=LIST_SECONDS)]
        objects = [one for one in candidates(pattern, listed) if one.place.study == study]
        digest = listing_digest(objects) if objects else ""
        if digest == before.state.listing:
            return Found()
        return await self._write(before, objects, digest)

    async def _write(self, before: Versioned, objects: list[Candidate], digest: str) -> Found | None:
        known = await self._known(before)
        found = await self._reader.read(objects, known.rows.values())
        self._tell(found)
        refused = found.left_out[LeftOut.REFUSED]
        if (refused and not found.rows) or len(found.missing) > MOST_MISSING:
            raise BlobRefused(f"{max(refused, len(found.missing))} objects of a study cannot be had")
        state = _state(before.state, found, digest)
        key = None
        if found.rows:
            key = await self._contents.save(self._origin.name, before.state.study, Contents(found.rows))
        if await self._states.put(replace(state, contents=key), before.revision) is None:
            await self._drop(key)
            return None
        await self._drop(before.state.contents)
        await self._forget(before.state, state)
        return found

    async def _known(self, before: Versioned) -> Contents:
        """Give what was read before; nothing where that is lost: then all of it is read again."""
        try:
            _, contents = await read_study(
                self._states, self._contents, self._origin.name, before.state.study
            )
        except BlobMissing:
            return Contents()
        return contents

    async def _drop(self, key: str | None) -> None:
        with suppress(StoreUnavailable):  # what is left over goes later
            await self._contents.drop(key)

    async def _forget(self, before: StudyState, now: StudyState) -> None:
        """Delete what was made from series of which nothing is left: patients' data, and nobody's use."""
        left = {one.uid for one in now.series}
        with suppress(StoreUnavailable):  # the sweep of the cache takes it, when there is no more room
            for uid in {one.uid for one in before.series} - left:
                prefix = derived_prefix(self._origin.name, before.study, uid)
                await self._blobs.delete_all([listed.key async for listed in self._blobs.list(prefix)])

    def _tell(self, found: Found) -> None:
        name = self._origin.name
        bucket_read.add(len(found.new), {DICOM_ORIGIN: name})
        for reason, number in found.left_out.items():
            bucket_left_out.add(number, {DICOM_ORIGIN: name, ISTHMUS_REASON: reason.value})
        if found.left_out:
            reasons = {f"left_out_{reason.value}": number for reason, number in found.left_out.items()}
            log.warning("objects in a bucket left out", origin=name, instances=len(found.rows), **reasons)


def _state(before: StudyState, found: Found, digest: str) -> StudyState:
    """Describe a study as its newest object does, and each series likewise; what is not new is known."""
    attributes = before.attributes
    series = {one.uid: one.attributes for one in before.series}
    for row, head in sorted(found.new, key=lambda new: new[0].stored):
        attributes, series[row.blob.series_instance_uid], _ = by_level(head.attributes)
    rows = found.rows.values()
    return replace(
        before,
        instances=len(rows),
        size=sum(row.blob.size for row in rows),
        attributes=attributes if rows else {},
        series=tuple(counted_series(series, rows)),
        arrival=replace(before.arrival, phase=Phase.SETTLED),
        # What is refused is asked for again: permissions change, and what was archived comes back.
        listing=f"?{digest}" if found.is_to_be_asked_for else digest,
        missing=found.missing,
    )
