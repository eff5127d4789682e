"""Instances in other transfer syntaxes than they are held in: made once, kept in S3, and served from there.

Header and native pixels pass as a stream; compressed frames go one by one through the processes that work on
pixels. So an instance may be of any size.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from functools import cache, partial
from struct import pack
from typing import Final

from pydicom.datadict import tag_for_keyword

from isthmus.common.blobs import BlobStore, Sink
from isthmus.common.blobs.keys import origin_of
from isthmus.common.bus.fan_out import fan_out
from isthmus.common.derived.images import Image, Images, NoFrames, pixel_failures
from isthmus.common.derived.kept import Kept
from isthmus.common.derived.rewriting import Place, rewritten
from isthmus.common.dicom.element_reader import ITEM, SEQUENCE_DELIMITATION, UNDEFINED
from isthmus.common.dicom.explicit import EXPLICIT_VR_LITTLE_ENDIAN, element_head, item_head
from isthmus.common.dicom.implicit import IMPLICIT_VR_LITTLE_ENDIAN
from isthmus.common.dicomweb.accept import Obtainable
from isthmus.common.errors import MalformedDataset, NotDelivered, PixelsUnreadable
from isthmus.common.messages import BlobRef
from isthmus.common.pixels.errors import CorruptFrame, UnsupportedPixels
from isthmus.common.pixels.processes import PixelProcesses
from isthmus.common.pixels.syntaxes import BIG_ENDIAN, LOSSY, NATIVE, producible
from isthmus.common.pixels.transcode import (
    description_in,
    header_changes,
    pixel_data_vr,
    transcoded_frame,
)
from isthmus.common.threads import Threads

VERSION: Final = "1"
"""Of what is made here: another one is made anew."""
NEVER_SENT: Final = frozenset({IMPLICIT_VR_LITTLE_ENDIAN, BIG_ENDIAN})
"""PS3.18 8.7.3: they shall not be used with web services."""
_WORD: Final = 16
"""Bits that big endian turns round in an OW; larger samples are turned round as a whole."""
_SMALL: Final = 16 * 1024 * 1024
"""Bytes of a decoded frame of which there may be several for each process."""
_AHEAD: Final = 3
_LONGEST_VALUE: Final = 0xFFFFFFFE


@cache
def obtainable(held: str) -> Obtainable:
    """Tell in which transfer syntaxes an object can be had that is held in one.

    By default that is Explicit VR Little Endian, unless its pixels have lost something by compression, or
    nobody here can decompress them: then they are as they are held (PS3.18 8.7.3.4).
    """
    possible = producible(held)
    as_held = EXPLICIT_VR_LITTLE_ENDIAN if held in NEVER_SENT else held
    can_be_native = EXPLICIT_VR_LITTLE_ENDIAN in possible and held not in LOSSY
    return Obtainable(as_held, EXPLICIT_VR_LITTLE_ENDIAN if can_be_native else as_held, possible)


class Transcoded:
    """The instances that this process transcodes."""

    def __init__(
        self,
        blobs: BlobStore,
        threads: Threads,
        kept: Kept,
        images: Images,
        processes: PixelProcesses,
        max_frame_bytes: int,
    ) -> None:
        """Transcode nothing yet.

        Args:
            blobs: Where the instances are.
            threads: Where headers are read.
            kept: Where what is made is kept.
            images: Their frames.
            processes: Where pixels are worked on.
            max_frame_bytes: What a frame may take when it is decoded.
        """
        self._blobs = blobs
        self._threads = threads
        self._kept = kept
        self._images = images
        self._processes = processes
        self._max_frame_bytes = max_frame_bytes

    async def given(self, blob: BlobRef, syntaxes: Sequence[str]) -> BlobRef:
        """Give an instance in the first of some transfer syntaxes that the form of its pixels allows.

        Args:
            blob: As it is held; that costs nothing.
            syntaxes: Of those of `obtainable`, the most wanted first; one at least.

        Raises:
            PixelsUnreadable: none of them is possible, or its pixels are corrupt; says in what it can be had.
            TooLarge: a frame of it is larger than a limit.
            NotDelivered: what the origin sent cannot be read.
            StoreUnavailable: S3 does not give it, or does not take what is made.
        """
        reason = ""
        for syntax in syntaxes:
            if syntax == blob.transfer_syntax_uid:
                return blob
            try:
                with _failures(blob):
                    made = await self._kept.stored(
                        blob, f"instance-{syntax}-{VERSION}", partial(self._write, blob, syntax)
                    )
            except _Impossible as error:
                reason = error.detail
                continue
            return replace(blob, key=made.key, size=made.size, transfer_syntax_uid=syntax)
        raise _unreadable(blob, reason)

    async def _write(self, blob: BlobRef, target: str, sink: Sink) -> None:
        image = await self._image(blob, target)
        changes = {} if image is None else _elements(header_changes(image.description, target))
        # Not closed: a thread may still read from it when this is cancelled, and nothing is open.
        source = self._blobs.open(blob.key, blob.size)
        pieces = rewritten(source, blob, target, changes=changes, has_new_pixels=image is not None)
        while (piece := await self._threads.run(next, pieces, None)) is not None:
            if not isinstance(piece, Place):
                await sink.write(piece)
            elif image is not None:
                await self._write_pixels(image, target, sink)

    async def _image(self, blob: BlobRef, target: str) -> Image | None:
        """Open an instance whose pixels change; those of others are copied as they are, or there are none."""
        held = blob.transfer_syntax_uid
        stays_native = target == EXPLICIT_VR_LITTLE_ENDIAN and held in NATIVE
        if stays_native and held != BIG_ENDIAN:
            return None
        try:
            image = await self._images.open(blob)
        except NoFrames:
            return None
        if stays_native and image.description.bits_allocated <= _WORD:
            return None
        if len(image.index) != image.description.number_of_frames:
            raise PixelsUnreadable(
                f"The instance has {len(image.index)} frames, and says that it has "
                f"{image.description.number_of_frames}",
                instance=blob.sop_instance_uid,
            )
        return image

    async def _write_pixels(self, image: Image, target: str, sink: Sink) -> None:
        async with aclosing(self._frames(image, target)) as frames:
            if target == EXPLICIT_VR_LITTLE_ENDIAN:
                await _write_native(image, frames, sink)
            else:
                await _write_encapsulated(image, frames, target, sink)

    async def _frames(self, image: Image, target: str) -> AsyncGenerator[bytes, None]:
        """Give the frames in another transfer syntax; some are worked on at the same time."""

        async def transcode(number: int) -> bytes:
            held = await self._images.frame(image, number)
            return await self._processes.run(
                transcoded_frame, held, image.description, target, self._max_frame_bytes
            )

        # While some are worked on, the next ones are fetched, and those before them written.
        is_small = image.description.decoded_bytes <= _SMALL
        depth = self._processes.processes * (_AHEAD if is_small else 1)
        async with fan_out(range(1, len(image.index) + 1), transcode, depth) as transcoded:
            async for _, frame in transcoded:
                yield frame


class _Impossible(Exception):
    """The pixels cannot be given in this transfer syntax, but perhaps in another."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@contextmanager
def _failures(blob: BlobRef) -> Iterator[None]:
    try:
        with pixel_failures(blob):
            try:
                yield
            except UnsupportedPixels as error:
                raise _Impossible(error.detail) from error
            except MalformedDataset as error:
                if blob.transfer_syntax_uid not in NATIVE:
                    raise
                detail = f"An instance that the origin sent cannot be read: {error.detail}"
                raise NotDelivered(detail, origin=origin_of(blob.key)) from error
    except PixelsUnreadable as error:
        raise _unreadable(blob, error.detail) from error


def _unreadable(blob: BlobRef, reason: str) -> PixelsUnreadable:
    held = blob.transfer_syntax_uid
    available = () if held in NEVER_SENT else (f"application/dicom; transfer-syntax={held}",)
    return PixelsUnreadable(
        f"The instance cannot be had in a transfer syntax that was asked for: {reason}",
        instance=blob.sop_instance_uid,
        available=available,
    )


async def _write_native(image: Image, frames: AsyncIterator[bytes], sink: Sink) -> None:
    after = description_in(image.description, EXPLICIT_VR_LITTLE_ENDIAN)
    length = after.frame_bytes * len(image.index)
    if length > _LONGEST_VALUE or (len(image.index) > 1 and after.frame_bits % 8):
        raise UnsupportedPixels("They are more than a value can be, or do not end with whole bytes")
    vr = pixel_data_vr(image.description, EXPLICIT_VR_LITTLE_ENDIAN)
    await sink.write(element_head(image.pixel_element, vr, length + length % 2))
    async for frame in frames:
        if len(frame) != after.frame_bytes:
            raise CorruptFrame("A frame is of another length than it should be")
        await sink.write(frame)
    await sink.write(bytes(length % 2))


async def _write_encapsulated(image: Image, frames: AsyncIterator[bytes], target: str, sink: Sink) -> None:
    # Without a Basic Offset Table: nobody knows yet how long the frames will be (PS3.5 A.4).
    vr = pixel_data_vr(image.description, target)
    await sink.write(element_head(image.pixel_element, vr, UNDEFINED) + item_head(ITEM, 0))
    async for frame in frames:
        await sink.write(item_head(ITEM, len(frame) + len(frame) % 2) + frame + bytes(len(frame) % 2))
    await sink.write(item_head(SEQUENCE_DELIMITATION, 0))


def _elements(changes: Mapping[str, str | int]) -> dict[int, bytes]:
    """Write elements that are a CS or a US."""
    written: dict[int, bytes] = {}
    for keyword, value in changes.items():
        tag = tag_for_keyword(keyword)
        if tag is None:
            raise ValueError(keyword)
        data = (
            pack("<H", value) if isinstance(value, int) else value.encode("ascii") + b" " * (len(value) % 2)
        )
        written[tag] = element_head(tag, "US" if isinstance(value, int) else "CS", len(data)) + data
    return written
