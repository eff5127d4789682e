"""What the events of a study say."""

import hashlib
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from pydantic import TypeAdapter

from isthmus.arrivals.leftovers import MANIFEST
from isthmus.common.blobs import BlobStore, contents_key
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.inbox.contents import Contents
from isthmus.common.inbox.state import Publication, SeriesSummary, StudyState
from isthmus.common.messages.events import (
    Blob,
    CloudEvent,
    EventType,
    InstanceBlob,
    Reason,
    SeriesCount,
    StudyEvent,
    timestamp,
)
from isthmus.common.telemetry import TRACEPARENT, inject

MOST_BYTES: Final = 256 * 1024
"""Of the instances in an event, and of its series: more instances are in a blob, more series are left out."""
LONGEST_MODALITY: Final = 16
"""Characters of a Code String (PS3.5 6.2): whatever else stands there, an event has room for it."""
_MODALITY: Final = tag_of("Modality")
_MANIFEST: Final = TypeAdapter(tuple[InstanceBlob, ...])
_SERIES: Final = TypeAdapter(tuple[SeriesCount, ...])


class StudyEvents:
    """Makes the events of studies."""

    def __init__(self, blobs: BlobStore, base_url: str) -> None:
        self._blobs = blobs
        self._base_url = base_url

    async def make(
        self, state: StudyState, contents: Contents, kind: EventType, publication: Publication
    ) -> CloudEvent[StudyEvent] | None:
        """Make the next event of a study; None if there is nothing to tell, as after a deletion.

        Raises:
            StoreUnavailable: S3 does not take the list of its instances.
        """
        revision = state.arrival.revision + 1
        new = tuple(
            InstanceBlob.of(row.blob, row.digest)
            for row in contents.rows.values()
            if row.revision == revision
        )
        if not new:
            return None
        written = _MANIFEST.dump_json(new)
        manifest = await self._manifest(state, written) if len(written) > MOST_BYTES else None
        series = tuple(_counted(one) for one in state.series)
        data = StudyEvent(
            origin=state.origin,
            study=state.study,
            revision=revision,
            instances=state.instances,
            size=state.size,
            complete="assumed" if publication.reason is Reason.QUIET else True,
            reason=publication.reason,
            url=f"{self._base_url}/aets/{state.origin}/studies/{quote(state.study, safe='')}",
            series=series if len(_SERIES.dump_json(series)) <= MOST_BYTES else None,
            modalities=_modalities(series),
            attributes=state.attributes,
            blobs=new if manifest is None else None,
            manifest=manifest,
            new_instances=len(new),
            conflicts=state.arrival.conflicts,
            calling_ae_titles=state.arrival.calling_ae_titles,
        )
        trace = inject().get(TRACEPARENT)
        return CloudEvent(publication.id, kind, data, timestamp(publication.time), trace)

    async def _manifest(self, state: StudyState, written: bytes) -> Blob:
        name = f"{hashlib.sha256(written).hexdigest()}{MANIFEST}"
        key = contents_key(state.origin, state.study, name)
        # Also where it is there already: it stays for as long as the event does, counted from now.
        await self._blobs.put(key, written)
        return Blob(self._blobs.bucket, key, len(written))


def _counted(series: SeriesSummary) -> SeriesCount:
    values = series.attributes.get(_MODALITY, {"vr": "CS"}).get("Value") or [None]
    modality = values[0][:LONGEST_MODALITY] if isinstance(values[0], str) else ""
    return SeriesCount(series.uid, modality, series.instances, series.size)


def _modalities(series: tuple[SeriesCount, ...]) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for one in series:
        counts[one.modality] = counts.get(one.modality, 0) + one.instances
    return counts
