"""Instances for DIMSE peers, which take what they have accepted (PS3.8 9.3.3.2), Implicit VR too."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from isthmus.common.blobs import BlobStore, Sink
from isthmus.common.blobs.keys import origin_of
from isthmus.common.derived.kept import Kept
from isthmus.common.derived.transcoded import Transcoded
from isthmus.common.dicom.dataset_source import open_dataset
from isthmus.common.dicom.explicit import EXPLICIT_VR_LITTLE_ENDIAN
from isthmus.common.dicom.implicit import IMPLICIT_VR_LITTLE_ENDIAN, implicit_elements
from isthmus.common.dicom.part10 import file_header
from isthmus.common.errors import MalformedDataset, NotDelivered
from isthmus.common.messages import BlobRef
from isthmus.common.pixels.syntaxes import producible
from isthmus.common.threads import Threads

VERSION: Final = "1"
"""Of what is made here: another one is made anew."""
_CHUNK: Final = 256 * 1024


class ForPeers:
    """The instances that this process makes for peers."""

    def __init__(self, blobs: BlobStore, threads: Threads, kept: Kept, transcoded: Transcoded) -> None:
        """Make nothing yet.

        Args:
            blobs: where the instances are.
            threads: where they are read.
            kept: where what is made is kept.
            transcoded: what makes those that wado gives as well.
        """
        self._blobs = blobs
        self._threads = threads
        self._kept = kept
        self._transcoded = transcoded

    async def given(self, blob: BlobRef, accepted: Collection[str]) -> BlobRef:
        """Give an instance in a transfer syntax that a peer accepts: as it is held, if that is one of them.

        Where it cannot be had in any, it is given as it is held too: the peer refuses it then.

        Raises:
            PixelsUnreadable: its pixels are corrupt, or in no form that any of them takes.
            TooLarge: a frame of it is larger than a limit.
            NotDelivered: what the origin sent cannot be read.
            StoreUnavailable: S3 does not give it, or does not take what is made.
        """
        if blob.transfer_syntax_uid in accepted:
            return blob
        possible = producible(blob.transfer_syntax_uid)
        if EXPLICIT_VR_LITTLE_ENDIAN not in possible:
            return blob
        wanted = [syntax for syntax in possible if syntax in accepted]
        if wanted:
            return await self._transcoded.given(blob, wanted)
        if IMPLICIT_VR_LITTLE_ENDIAN not in accepted:
            return blob
        return await self._implicit(await self._transcoded.given(blob, [EXPLICIT_VR_LITTLE_ENDIAN]))

    async def _implicit(self, blob: BlobRef) -> BlobRef:
        name = f"instance-{IMPLICIT_VR_LITTLE_ENDIAN}-{VERSION}"
        try:
            made = await self._kept.stored(blob, name, partial(self._write, blob))
        except MalformedDataset as error:
            detail = f"An instance that the origin sent cannot be read: {error.detail}"
            raise NotDelivered(detail, origin=origin_of(blob.key)) from error
        return replace(blob, key=made.key, size=made.size, transfer_syntax_uid=IMPLICIT_VR_LITTLE_ENDIAN)

    async def _write(self, blob: BlobRef, sink: Sink) -> None:
        # Not closed: a thread may still read from it when this is cancelled, and nothing is open.
        pieces = _file(self._blobs, blob)
        while (piece := await self._threads.run(next, pieces, None)) is not None:
            await sink.write(piece)


def _file(blobs: BlobStore, blob: BlobRef) -> Iterator[bytes]:
    chunk = bytearray(
        file_header(
            sop_class_uid=blob.sop_class_uid,
            sop_instance_uid=blob.sop_instance_uid,
            transfer_syntax_uid=IMPLICIT_VR_LITTLE_ENDIAN,
            source_ae_title=None,
        )
    )
    for piece in implicit_elements(open_dataset(blobs.open(blob.key, blob.size))):
        chunk += piece
        if len(chunk) >= _CHUNK:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk)
