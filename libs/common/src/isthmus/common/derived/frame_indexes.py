"""Where the frames of instances lie: found once for each instance of many, and kept in S3 beside it."""

from functools import partial
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.derived.kept import key_of
from isthmus.common.derived.shared import Shared
from isthmus.common.dicom.encapsulated import is_encapsulated
from isthmus.common.dicom.frame_index import EncapsulatedFrames, FrameIndex, frame_index_of
from isthmus.common.errors import StoreUnavailable
from isthmus.common.messages import BlobRef
from isthmus.common.telemetry import get_logger
from isthmus.common.threads import Threads

SMALL: Final = 1024 * 1024
"""Bytes of an instance that is read through as fast as what is kept of it."""
ROOM: Final = 4 * 1024 * 1024
_NAME: Final = "frames-1"

log = get_logger(__name__)


class FrameIndexes:
    """The frame indexes of instances, for all clients of this process."""

    def __init__(self, blobs: BlobStore, threads: Threads) -> None:
        """Read instances in `threads`."""
        self._blobs = blobs
        self._threads = threads
        self._shared = Shared(ROOM)

    @staticmethod
    def keeps(blob: BlobRef) -> bool:
        """Tell whether the index of an instance is kept, if it is what its transfer syntax says."""
        return blob.size > SMALL and is_encapsulated(blob.transfer_syntax_uid)

    async def of(self, blob: BlobRef) -> FrameIndex:
        """Give the frame index of an instance.

        Raises:
            NoSuchObject: it has no pixel data.
            MalformedDataset: it cannot be read as far as that.
        """
        if self.keeps(blob):
            key = key_of(blob, _NAME)
            data = await self._shared.get(key, partial(self._find_or_make, key, blob))
            try:
                return EncapsulatedFrames.from_bytes(data)
            except ValueError as error:
                log.warning("frame index not read", reason=str(error))
        return await self._threads.run(self._make, blob)

    async def _find_or_make(self, key: str, blob: BlobRef) -> bytes:
        kept = await self._blobs.find(key)
        if kept is not None:
            return kept
        index = await self._threads.run(self._make, blob)
        if not isinstance(index, EncapsulatedFrames):
            return b""  # the transfer syntax says otherwise
        data = index.to_bytes()
        try:
            await self._blobs.put(key, data)
        except StoreUnavailable as error:
            log.warning("frame index not kept", reason=error.title)
        return data

    def _make(self, blob: BlobRef) -> FrameIndex:
        with self._blobs.open(blob.key, blob.size) as source:
            return frame_index_of(source)
