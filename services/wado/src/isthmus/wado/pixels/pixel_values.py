"""Pixel data as a value of an instance (PS3.18 8.7.3.3): native in one part, compressed one for a frame."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Final

from isthmus.common.bus.fan_out import fan_out
from isthmus.common.derived.images import Image
from isthmus.common.dicom.explicit import EXPLICIT_VR_LITTLE_ENDIAN
from isthmus.common.dicom.frame_index import NativeFrames
from isthmus.common.dicom.json_values import swapped
from isthmus.common.pixels.transcode import description_in
from isthmus.wado.answers.parts import Part, part_of_pieces
from isthmus.wado.instances import Instances
from isthmus.wado.parameters.pixel_forms import PixelForm, obtainable_syntaxes

AHEAD: Final = 2
"""Frames that are transcoded while the client still takes earlier ones."""
_CHUNK: Final = 1024 * 1024
"""A whole number of words."""


class PixelValue:
    """The pixel data of an image."""

    def __init__(self, instances: Instances, image: Image) -> None:
        """Nothing is read yet."""
        self._instances = instances
        self._image = image
        self.held: Final = image.description.transfer_syntax_uid
        self.obtainable: Final = obtainable_syntaxes(image.description)
        self.single: Final = tuple(syntax for syntax in self.obtainable if self._is_one(syntax))
        """The transfer syntaxes in which they are one part."""

    def _is_one(self, syntax: str) -> bool:
        if syntax != EXPLICIT_VR_LITTLE_ENDIAN or self._image.is_native:
            return syntax == EXPLICIT_VR_LITTLE_ENDIAN or len(self._image.index) == 1
        # Frames of single bits are not whole bytes: they cannot be put one after another.
        return len(self._image.index) == 1 or not self._native_bits % 8

    @property
    def _native_bits(self) -> int:
        return description_in(self._image.description, EXPLICIT_VR_LITTLE_ENDIAN).frame_bits

    async def parts(self, form: PixelForm, location: str) -> AsyncGenerator[Part, None]:
        """Give the parts, in the order of the frames.

        Raises:
            PixelsUnreadable: a frame cannot be decoded; with the first part only if it is the first one.
            TooLarge: it is larger than a frame may be.
            UnavailableError: a part of ours is away.
        """
        index, syntax = self._image.index, form.transfer_syntax
        if isinstance(index, NativeFrames) and syntax == self.held:
            image = await self._instances.images.lying(self._image)
            yield self._native(form, image.key, index, location)
        elif syntax == self.held:
            for number in range(1, len(index) + 1):
                ranges = tuple(index.frame(number))
                yield part_of_pieces(
                    form.media_type, syntax, location, self._instances.blobs, self._image.key, ranges
                )
        elif syntax == EXPLICIT_VR_LITTLE_ENDIAN and syntax in self.single:
            yield await self._decoded(form, location)
        else:
            async with fan_out(range(1, len(index) + 1), self._transcoder(syntax), AHEAD) as frames:
                async for _, frame in frames:
                    yield part_of_pieces(
                        form.media_type, syntax, location, self._instances.blobs, "", (frame,)
                    )

    def _native(self, form: PixelForm, key: str, index: NativeFrames, location: str) -> Part:
        blobs = self._instances.blobs
        if index.word_size == 1:
            pieces = ((index.position, index.length),)
            return part_of_pieces(form.media_type, form.transfer_syntax, location, blobs, key, pieces)

        async def chunks() -> AsyncGenerator[bytes, None]:
            for start in range(0, index.length, _CHUNK):
                length = min(_CHUNK, index.length - start)
                words = await blobs.get(key, offset=index.position + start, length=length)
                yield await self._instances.threads.run(swapped, words, index.word_size)

        return Part(form.media_type, form.transfer_syntax, location, index.length, chunks)

    async def _decoded(self, form: PixelForm, location: str) -> Part:
        transcode = self._transcoder(form.transfer_syntax)
        first = await transcode(1)

        async def chunks() -> AsyncGenerator[bytes, None]:
            yield first
            async with fan_out(range(2, len(self._image.index) + 1), transcode, AHEAD) as frames:
                async for _, frame in frames:
                    yield frame

        length = len(first) * len(self._image.index)
        return Part(form.media_type, form.transfer_syntax, location, length, chunks)

    def _transcoder(self, syntax: str) -> Callable[[int], Coroutine[None, None, bytes]]:
        async def transcode(number: int) -> bytes:
            return await self._instances.frames.transcoded(self._image, number, syntax)

        return transcode
