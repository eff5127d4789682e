"""Images: instances with pixels, of which single frames are read without the others.

What is said of an image is read once and stays in memory, so that of an image that is known a frame costs one
read of S3, whichever frame it is.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from isthmus.common.blobs import BlobStore, Sink
from isthmus.common.derived.frame_indexes import FrameIndexes
from isthmus.common.derived.heads import head_of
from isthmus.common.derived.inflated import inflated_pixels
from isthmus.common.derived.kept import Kept
from isthmus.common.derived.native_frames import covering_words, cut_out
from isthmus.common.derived.shared import SharedObjects
from isthmus.common.dicom.bulk import Piece
from isthmus.common.dicom.encapsulated import is_video
from isthmus.common.dicom.explicit import EXPLICIT_VR_LITTLE_ENDIAN
from isthmus.common.dicom.frame_index import Frame, FrameIndex, NativeFrames, frame_index_of
from isthmus.common.errors import BlobMissing, MalformedDataset, NoSuchObject, PixelsUnreadable, TooLarge
from isthmus.common.messages import BlobRef
from isthmus.common.pixels.description import PixelDescription, PixelElement
from isthmus.common.pixels.errors import CorruptFrame, FrameTooLarge, NoPixels, PixelsError
from isthmus.common.threads import Threads

ROOM: Final = 32 * 1024 * 1024
"""For what is said of images: some 8,000 of one frame."""
WHOLE_BYTES: Final = 4 * 1024 * 1024
"""A frame that is larger is not fetched at once to be sent as it is held, but streamed."""
_IMAGE_COSTS: Final = 2048
_FRAME_COSTS: Final = 20
_ELEMENTS: Final = {
    0x7FE00008: PixelElement.FLOAT,
    0x7FE00009: PixelElement.DOUBLE,
    0x7FE00010: PixelElement.INTEGER,
}
_LARGEST_GAP: Final = 64 * 1024
"""Bytes between the fragments of a frame that are read with them."""
_INFLATED: Final = "pixels-1"


class NoFrames(PixelsUnreadable):
    """The instance has no pixel data at all."""


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """An instance with pixels."""

    blob: BlobRef
    head: bytes
    """What stands before its pixel data, as a Part 10 file in Explicit VR Little Endian, for processes."""
    representative_frame: int | None
    """The one that it says is to stand for all (0028,6010)."""
    may_name_the_patient: bool
    """Whether there may be words in it: it says so, or it has overlays."""
    description: PixelDescription
    """Of frames as `Images.frame` gives them: native ones are always in Explicit VR Little Endian."""
    index: FrameIndex
    pixel_element: int
    """The tag of its pixel data."""
    key: str
    """Of the blob in which the frames lie: another one where the instance is deflated."""

    @property
    def is_native(self) -> bool:
        """Whether its pixels are not compressed."""
        return isinstance(self.index, NativeFrames)

    @property
    def weight(self) -> int:
        """How many bytes of memory it takes, about."""
        frames = 0 if self.is_native else len(self.index) * _FRAME_COSTS
        return len(self.head) + _IMAGE_COSTS + frames


class Images:
    """The images that this process knows, and their frames."""

    def __init__(
        self,
        blobs: BlobStore,
        threads: Threads,
        frame_indexes: FrameIndexes,
        kept: Kept,
        max_frame_bytes: int,
    ) -> None:
        """Know none yet.

        Args:
            blobs: Where the instances are.
            threads: Where headers are read.
            frame_indexes: Those that are kept.
            kept: Where deflated pixels are kept as they are inflated.
            max_frame_bytes: A frame of more is not read into memory.
        """
        self._blobs = blobs
        self._threads = threads
        self._frame_indexes = frame_indexes
        self._kept = kept
        self._max_frame_bytes = max_frame_bytes
        self._known: SharedObjects[Image] = SharedObjects(ROOM, lambda image: image.weight)

    async def open(self, blob: BlobRef) -> Image:
        """Read what an instance says of its pixels, and where its frames are.

        Raises:
            NoFrames: it has no pixel data.
            PixelsUnreadable: it does not say what its pixels are, or it is cut short.
            StoreUnavailable: S3 does not give it.
        """
        return await self._known.get(blob.key, partial(self._open, blob))

    async def frame(self, image: Image, number: int) -> bytes:
        """Give a frame, numbered from 1, as it is held; native ones in little endian and from a byte on.

        Raises:
            NoSuchObject: there are not as many.
            TooLarge: it is larger than a frame may be.
            StoreUnavailable: S3 does not give it.
        """
        ranges = image.index.frame(number)
        if sum(length for _, length in ranges) > self._max_frame_bytes:
            raise TooLarge("A frame of the instance is too large", instance=image.blob.sop_instance_uid)
        try:
            return await self._frame(image, number)
        except BlobMissing:
            self._known.drop(image.blob.key)
            if image.key == image.blob.key:
                raise
            return await self._frame(await self.open(image.blob), number)

    async def _frame(self, image: Image, number: int) -> bytes:
        ranges = image.index.frame(number)
        if isinstance(image.index, NativeFrames):
            return await self._native(image, image.index, number)
        (first, _), (last, length) = ranges[0], ranges[-1]
        if len(ranges) == 1:
            return await self._blobs.get(image.key, offset=first, length=length)
        whole = last + length - first
        if whole - sum(length for _, length in ranges) <= _LARGEST_GAP:
            data = await self._blobs.get(image.key, offset=first, length=whole)
            return await self._threads.run(
                _joined, data, [(begin - first, length) for begin, length in ranges]
            )
        parts = [await self._blobs.get(image.key, offset=offset, length=length) for offset, length in ranges]
        return b"".join(parts)

    async def pieces(self, image: Image, number: int) -> tuple[Piece, ...]:
        """Give a frame as `frame` does, in pieces: one that is large stays in S3, at `Image.key`.

        Raises:
            NoSuchObject: there are not as many.
            TooLarge: it is larger than a frame may be, and cannot be sent as it lies there.
            StoreUnavailable: S3 does not give it.
        """
        ranges = image.index.frame(number)
        is_large = sum(length for _, length in ranges) > WHOLE_BYTES
        return (
            tuple(ranges) if is_large and _lies_as_it_is_sent(image) else (await self.frame(image, number),)
        )

    async def lying(self, image: Image) -> Image:
        """Give an image whose pixels are to be streamed: those of a deflated one are inflated anew if gone.

        Raises:
            StoreUnavailable: S3 does not tell, or does not take them.
        """
        if isinstance(image.index, NativeFrames) and image.index.deflated:
            return await self._inflate(image, image.index)
        return image

    def length(self, image: Image, number: int) -> int:
        """Count the bytes that `frame` gives.

        Raises:
            NoSuchObject: there are not as many.
        """
        ranges = image.index.frame(number)
        if isinstance(image.index, NativeFrames):
            return -(-image.index.bits // 8)
        return sum(length for _, length in ranges)

    async def _native(self, image: Image, index: NativeFrames, number: int) -> bytes:
        offset, length = covering_words(index, number)
        data = await self._blobs.get(image.key, offset=index.position + offset, length=length)
        if index.word_size == 1 and not index.bits % 8:
            return data
        return await self._threads.run(cut_out, data, index, number)

    async def _open(self, blob: BlobRef) -> Image:
        def read(index: FrameIndex | None) -> Image:
            with self._blobs.open(blob.key, blob.size) as source:
                head = head_of(source, blob)
                if head.pixel_element is None:
                    raise NoSuchObject("The instance has no pixel data")
                found = frame_index_of(source) if index is None else index
            native = isinstance(found, NativeFrames)
            syntax = EXPLICIT_VR_LITTLE_ENDIAN if native else found.transfer_syntax_uid
            description = PixelDescription.of(head.header, syntax, _ELEMENTS[head.pixel_element])
            if len(found) < description.number_of_frames and not is_video(syntax):
                raise CorruptFrame("The pixel data have fewer frames than the instance says")
            return Image(
                blob,
                head.file,
                head.representative_frame,
                head.may_name_the_patient,
                description,
                found,
                head.pixel_element,
                blob.key,
            )

        with pixel_failures(blob):
            kept = await self._frame_indexes.of(blob) if self._frame_indexes.keeps(blob) else None
            image = await self._threads.run(read, kept)
            if isinstance(image.index, NativeFrames) and image.index.deflated:
                return await self._inflate(image, image.index)
            return image

    async def _inflate(self, image: Image, index: NativeFrames) -> Image:
        """Keep the pixel data of a deflated instance, as otherwise each frame would cost all before it."""

        async def write(sink: Sink) -> None:
            with self._blobs.open(image.blob.key, image.blob.size) as source:
                chunks = inflated_pixels(source)
                next_chunk: Callable[[], bytes | None] = partial(next, chunks, None)
                while (chunk := await self._threads.run(next_chunk)) is not None:
                    await sink.write(chunk)

        inflated = await self._kept.stored(image.blob, _INFLATED, write)
        return replace(image, key=inflated.key, index=replace(index, position=0))


def _joined(data: bytes, ranges: Frame) -> bytes:
    return b"".join(data[offset : offset + length] for offset, length in ranges)


def _lies_as_it_is_sent(image: Image) -> bool:
    index = image.index
    if isinstance(index, NativeFrames):
        return index.word_size == 1 and not index.bits % 8 and not index.deflated
    return True


@contextmanager
def pixel_failures(blob: BlobRef, available: Sequence[str] = ()) -> Iterator[None]:
    """Say what fails about the pixels of an instance in terms of a request, naming the instance.

    Args:
        blob: The instance.
        available: What can be had where the pixels cannot be read.

    Raises:
        NoFrames: it has no pixel data.
        PixelsUnreadable: its pixels cannot be read.
        TooLarge: a frame would be larger than a frame may be.
    """
    instance = blob.sop_instance_uid
    try:
        yield
    except FrameTooLarge as error:
        raise TooLarge(error.detail, instance=instance) from error
    except NoPixels as error:
        raise PixelsUnreadable(
            f"The instance does not say what its pixels are: {error.detail}", instance=instance
        ) from error
    except PixelsError as error:
        raise PixelsUnreadable(error.detail, instance=instance, available=available) from error
    except MalformedDataset as error:
        raise PixelsUnreadable(
            f"The instance that the origin sent cannot be read: {error.detail}", instance=instance
        ) from error
    except NoSuchObject as error:
        raise NoFrames(error.detail, instance=instance) from error
