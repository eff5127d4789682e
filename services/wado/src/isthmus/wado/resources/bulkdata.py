"""Bulk data (PS3.18 10.4.1.1.5): a value by its BulkDataURI, or all those of an instance, series or study."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Final, NamedTuple

from starlette.requests import Request

from isthmus.common.bus.fan_out import fan_out
from isthmus.common.dicom.bulk import BulkPath, parse_bulk_path
from isthmus.common.dicom.encapsulated import OCTET_STREAM
from isthmus.common.dicom.explicit import EXPLICIT_VR_LITTLE_ENDIAN
from isthmus.common.dicomweb.accept import MediaRange, Offer, accepted_by, negotiate
from isthmus.common.dicomweb.multipart_out import MultipartWriter
from isthmus.common.dicomweb.offers import COMPRESSED_PARTS
from isthmus.common.dicomweb.resource import Resource, public_base_url, service_path
from isthmus.common.errors import NoSuchObject
from isthmus.common.messages import BlobRef
from isthmus.wado.answers.conditional import etag_of, is_unchanged
from isthmus.wado.answers.parts import Part, multipart_chunks
from isthmus.wado.answers.streamed import Body, nothing, unchanged
from isthmus.wado.instances import Instances
from isthmus.wado.parameters.pixel_forms import PixelForm, choose
from isthmus.wado.pixels.bulk_values import Value, bulk_urls, is_pixel_data, value_of

AHEAD: Final = 4
"""Instances whose values are looked for while the client still takes those of earlier ones."""
IN_OCTETS: Final = Offer(OCTET_STREAM, multipart=True)
"""The form of values in any transfer syntax, where objects are to be had too."""
_VERSION: Final = "1"
_OCTETS: Final = PixelForm(OCTET_STREAM, EXPLICIT_VR_LITTLE_ENDIAN, multipart=True)
_IN_PARTS: Final = (IN_OCTETS, *COMPRESSED_PARTS)


@asynccontextmanager
async def bulkdata(instances: Instances, request: Request) -> AsyncIterator[Body]:
    """Give one value of an instance.

    Raises:
        InvalidParameter: the URL ends in no path of tags and item numbers.
        NoSuchObject: the instance has no such value.
        NotAcceptable: the value cannot be had in what was asked for.
    """
    resource = instances.wanted(request)
    text = request.path_params["path"]
    path = parse_bulk_path(text)
    ranges = accepted_by(request)
    blob = await instances.instance(resource)
    value = await value_of(instances, blob, path)
    form = choose(ranges, value.held, value.obtainable, single=value.single)
    location = f"{public_base_url(request)}{resource.path}/bulkdata/{text}"
    etag = etag_of(blob.key, location, form.content_type, _VERSION, weak=form.multipart)
    if is_unchanged(request, etag):
        yield unchanged(etag)
        return
    async with aclosing(value.parts(form, location)) as parts:
        first = await anext(parts)
        if not form.multipart:
            yield first.alone(etag)
            return
        writer = MultipartWriter(form.media_type)
        yield Body(
            {"Content-Type": writer.content_type}, multipart_chunks(writer, _chain(first, parts)), etag=etag
        )


def all_bulkdata(instances: Instances, request: Request) -> AbstractAsyncContextManager[Body]:
    """Give all values to which the metadata of a study, series or instance refer.

    Pixel data go as the client takes them; whatever else there is has one form, an octet stream.

    Raises:
        NoSuchObject: there are none.
        NotAcceptable: the client takes no parts, or the first value cannot be had in what it takes. When that
            happens to a later one, the body is broken off.
    """
    return all_values(instances, request, lambda path: True)


@asynccontextmanager
async def all_values(
    instances: Instances, request: Request, is_wanted: Callable[[BulkPath], bool]
) -> AsyncIterator[Body]:
    """Give all values of some kind of a study, series or instance, as `all_bulkdata`."""
    resource = instances.wanted(request)
    ranges = accepted_by(request)
    negotiate(ranges, _IN_PARTS)
    values = _Values(instances, ranges, _study_url(request, resource), is_wanted)
    async with (
        instances.read(resource) as reading,
        fan_out(reading, values.of, AHEAD) as found,
        aclosing(values.parts(found)) as parts,
    ):
        first = await anext(parts, None)
        if first is None:
            raise NoSuchObject("There are no such values")
        writer = MultipartWriter(first.media_type)
        chunks = nothing() if request.method == "HEAD" else multipart_chunks(writer, _chain(first, parts))
        yield Body({"Content-Type": writer.content_type}, chunks, reading.lacking)


class _Found(NamedTuple):
    url: str
    path: BulkPath
    value: Value | None
    """Where it is found by now."""


class _Values:
    """The values of several instances, for one client."""

    def __init__(
        self,
        instances: Instances,
        ranges: Sequence[MediaRange],
        study_url: str,
        is_wanted: Callable[[BulkPath], bool],
    ) -> None:
        self._instances = instances
        self._ranges = ranges
        self._study_url = study_url
        self._is_wanted = is_wanted

    async def of(self, blob: BlobRef) -> list[_Found]:
        """Find what is wanted of an instance; other values than pixel data, which may be in memory, later."""
        urls = await bulk_urls(self._instances, blob, self._study_url)
        return [
            _Found(url, path, await value_of(self._instances, blob, path) if is_pixel_data(path) else None)
            for url, path in urls.items()
            if self._is_wanted(path)
        ]

    async def parts(
        self, instances: AsyncIterator[tuple[BlobRef, list[_Found]]]
    ) -> AsyncGenerator[Part, None]:
        """Give the parts of all of them, one instance after another."""
        async for blob, found in instances:
            for url, path, known in found:
                value = known or await value_of(self._instances, blob, path)
                async with aclosing(value.parts(self._form(value, path), url)) as parts:
                    async for part in parts:
                        yield part

    def _form(self, value: Value, path: BulkPath) -> PixelForm:
        if not is_pixel_data(path) and value.obtainable == (EXPLICIT_VR_LITTLE_ENDIAN,):
            return _OCTETS
        return choose(self._ranges, value.held, value.obtainable, single=())


def _study_url(request: Request, resource: Resource) -> str:
    return f"{public_base_url(request)}{service_path(resource.origin)}/studies/{resource.study}"


async def _chain(first: Part, others: AsyncIterator[Part]) -> AsyncGenerator[Part, None]:
    yield first
    async for other in others:
        yield other
