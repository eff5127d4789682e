"""Frames of an image (PS3.18 10.4.1.1.6), native or compressed, in the order in which they are asked for."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from starlette.requests import Request

from isthmus.common.bus.fan_out import fan_out
from isthmus.common.derived.images import Image, NoFrames
from isthmus.common.dicom.bulk import Piece
from isthmus.common.dicom.explicit import EXPLICIT_VR_LITTLE_ENDIAN
from isthmus.common.dicomweb.accept import accepted_by
from isthmus.common.dicomweb.multipart_out import MultipartWriter
from isthmus.common.dicomweb.resource import public_base_url
from isthmus.common.errors import NoSuchObject
from isthmus.wado.answers.conditional import etag_of, is_unchanged
from isthmus.wado.answers.parts import Part, length_with, multipart_chunks, part_of_pieces
from isthmus.wado.answers.pieces import body_of
from isthmus.wado.answers.streamed import Body, nothing, unchanged
from isthmus.wado.instances import Instances
from isthmus.wado.parameters.frame_list import frame_numbers
from isthmus.wado.parameters.pixel_forms import PixelForm, choose, obtainable_syntaxes

AHEAD: Final = 4
"""Frames that are fetched, or transcoded, while the client still takes earlier ones."""
_VERSION: Final = "1"


@asynccontextmanager
async def frames(instances: Instances, request: Request) -> AsyncIterator[Body]:
    """Give frames of an instance.

    Raises:
        InvalidParameter: the list of frames is none.
        NoSuchObject: the instance has not as many frames, or none at all.
        NotAcceptable: they cannot be had in what the client takes.
        PixelsUnreadable: the first one cannot be decoded. When that happens to a later one, the body is
            broken off.
        TooLarge: it is larger than a frame may be.
    """
    resource = instances.wanted(request)
    numbers = frame_numbers(request.path_params["frames"], instances.settings.max_frames)
    ranges = accepted_by(request)
    image = await _image(instances, request)
    image.index.frame(max(numbers))
    syntaxes = obtainable_syntaxes(image.description)
    single = syntaxes if len(numbers) == 1 else ()
    form = choose(ranges, image.description.transfer_syntax_uid, syntaxes, single=single)
    base_url = public_base_url(request) + resource.path
    listed = ",".join(map(str, numbers))
    etag = etag_of(image.blob.key, listed, form.content_type, base_url, _VERSION, weak=form.multipart)
    if is_unchanged(request, etag):
        yield unchanged(etag)
        return
    answer = _Answer(instances, image, form, base_url)
    if request.method == "HEAD":
        writer = MultipartWriter(form.media_type)
        yield Body(answer.headers(writer, numbers), nothing(), etag=etag)
        return
    async with fan_out(numbers, answer.pieces, AHEAD) as found:
        number, pieces = await anext(found)
        if form.multipart:
            writer = MultipartWriter(form.media_type)
            parts = answer.parts((number, pieces), found)
            yield Body(answer.headers(writer, numbers), multipart_chunks(writer, parts), etag=etag)
        else:
            headers = {"Content-Type": form.content_type, "Content-Location": answer.location(number)}
            yield body_of(headers, instances.blobs, image.key, pieces, etag=etag)


async def _image(instances: Instances, request: Request) -> Image:
    resource = instances.wanted(request)
    blob = await instances.instance(resource)
    try:
        return await instances.images.open(blob)
    except NoFrames as error:
        raise NoSuchObject("The instance has no frames") from error


class _Answer:
    """Frames on their way to a client."""

    def __init__(self, instances: Instances, image: Image, form: PixelForm, base_url: str) -> None:
        self._instances = instances
        self._image = image
        self._form = form
        self._base_url = base_url

    def location(self, number: int) -> str:
        """Give the URL of a frame."""
        return f"{self._base_url}/frames/{number}"

    def headers(self, writer: MultipartWriter, numbers: Sequence[int]) -> dict[str, str]:
        """Give the headers of a body, with its length if that can be told."""
        if not self._form.multipart:
            fields = {"Content-Type": self._form.content_type, "Content-Location": self.location(numbers[0])}
            length = self._length(numbers[0])
            return fields if length is None else {**fields, "Content-Length": str(length)}
        fields = {"Content-Type": writer.content_type}
        first = self._length(numbers[0])
        are_alike = self._form.transfer_syntax == EXPLICIT_VR_LITTLE_ENDIAN
        parts = ((self.location(number), first if are_alike else self._length(number)) for number in numbers)
        total = length_with(self._form.media_type, self._form.transfer_syntax, parts)
        return fields if total is None else {**fields, "Content-Length": str(total)}

    async def pieces(self, number: int) -> tuple[Piece, ...]:
        """Get a frame, or where it lies."""
        return await self._instances.frames.pieces(self._image, number, self._form.transfer_syntax)

    async def parts(
        self, first: tuple[int, tuple[Piece, ...]], others: AsyncIterator[tuple[int, tuple[Piece, ...]]]
    ) -> AsyncGenerator[Part, None]:
        """Give the parts of a body."""
        yield self._part(*first)
        async for number, pieces in others:
            yield self._part(number, pieces)

    def _part(self, number: int, pieces: tuple[Piece, ...]) -> Part:
        form = self._form
        return part_of_pieces(
            form.media_type,
            form.transfer_syntax,
            self.location(number),
            self._instances.blobs,
            self._image.key,
            pieces,
        )

    def _length(self, number: int) -> int | None:
        return self._instances.frames.length(self._image, number, self._form.transfer_syntax)
