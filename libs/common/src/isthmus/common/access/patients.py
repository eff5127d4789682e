"""Whose a study is, for the audit: from what is at hand, so that no origin is asked for it."""

import asyncio
from collections import OrderedDict
from contextlib import aclosing, suppress
from io import BytesIO
from typing import Final

from isthmus.common.blobs import BlobStore, inbox_prefix
from isthmus.common.dicom.part10 import read_file_meta
from isthmus.common.dicom.part10.patient import patient_id
from isthmus.common.errors import MalformedDataset, UnavailableError
from isthmus.common.messages import BlobRef

REMEMBERED: Final = 10_000
"""Studies."""
_HEAD_BYTES: Final = 64 * 1024
"""Of an instance: the Patient ID stands before this, but in the strangest."""
_SECONDS: Final = 2.0
"""Patience with S3: a record without a Patient ID is better than no answer."""


class Patients:
    """The Patient IDs of studies, as the instances have them that somebody reads or stores."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._known: OrderedDict[tuple[str, str], tuple[str, ...]] = OrderedDict()

    def known(self, origin: str, study: str) -> tuple[str, ...]:
        """Give what is remembered of a study."""
        return self._known.get((origin, study), ())

    async def of(self, origin: str, blob: BlobRef) -> tuple[str, ...]:
        """Give the Patient ID of an instance's study; nothing where it has none, or S3 does not tell.

        Args:
            origin: of which the study is.
            blob: an instance of it.
        """
        place = origin, blob.study_instance_uid
        if place not in self._known:
            found = await self._read(blob.key, blob.size)
            if found is None:
                return ()
            self.note(origin, blob.study_instance_uid, found)
        self._known.move_to_end(place)
        return self._known[place]

    def note(self, origin: str, study: str, patient: str) -> None:
        """Remember whose a study is; empty: nobody's."""
        self._known[origin, study] = (patient,) if patient else ()
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def learn_of_inbox(self, origin: str, study: str) -> None:
        """Find out whose a study in an inbox is, by any instance of it."""
        if (origin, study) in self._known:
            return
        with suppress(UnavailableError, TimeoutError):
            async with (
                asyncio.timeout(_SECONDS),
                aclosing(self._blobs.list(inbox_prefix(origin, study))) as listed,
            ):
                first = await anext(listed, None)
            if first is not None and (found := await self._read(first.key, first.size)) is not None:
                self.note(origin, study, found)

    async def _read(self, key: str, size: int) -> str | None:
        try:
            async with asyncio.timeout(_SECONDS):
                head = await self._blobs.get(key, length=min(size, _HEAD_BYTES))
        except (UnavailableError, TimeoutError):
            return None
        try:
            meta = read_file_meta(BytesIO(head))
        except MalformedDataset:
            return ""
        return patient_id(memoryview(head)[meta.dataset_offset :], meta.transfer_syntax_uid)
