"""Values of instances as they leave (PS3.18 8.7.3.3): in the forms in which each can be had."""

import re
from collections.abc import AsyncGenerator
from typing import Final

from isthmus.common.blobs import origin_of
from isthmus.common.dicom.bulk import BulkPath, BulkValue, bulk_of, parse_bulk_path
from isthmus.common.dicom.vrs import PIXEL_DATA
from isthmus.common.errors import MalformedDataset, NoSuchObject, NotDelivered, PixelsUnreadable
from isthmus.common.messages import BlobRef
from isthmus.common.telemetry import get_logger
from isthmus.wado.answers.parts import Part, part_of_pieces
from isthmus.wado.instances import Instances
from isthmus.wado.parameters.pixel_forms import PixelForm
from isthmus.wado.pixels.pixel_values import PixelValue
from isthmus.wado.sources.described import mark_of

log = get_logger(__name__)

_PIXEL_TAGS: Final = frozenset(f"{tag:08X}" for tag in PIXEL_DATA)


class StoredValue:
    """A value that is to be had as it is held: native ones in little endian, encapsulated ones in frames."""

    def __init__(self, instances: Instances, blob: BlobRef, value: BulkValue) -> None:
        """Nothing is read yet."""
        self._instances = instances
        self._blob = blob
        self._value = value
        self.held: Final = value.transfer_syntax_uid
        self.obtainable: Final = (self.held,)
        self.single: Final = self.obtainable if len(value.parts) == 1 else ()

    async def parts(self, form: PixelForm, location: str) -> AsyncGenerator[Part, None]:
        """Give the parts: one, or one for each frame."""
        blobs, key = self._instances.blobs, self._blob.key
        for pieces in self._value.parts:
            yield part_of_pieces(form.media_type, form.transfer_syntax, location, blobs, key, pieces)


Value = PixelValue | StoredValue


def is_pixel_data(path: BulkPath) -> bool:
    """Tell whether a path leads to the pixel data of the instance itself, not to those of an icon."""
    return len(path) == 1 and path[0] in _PIXEL_TAGS


async def value_of(instances: Instances, blob: BlobRef, path: BulkPath) -> Value:
    """Find a value of an instance.

    Pixel data whose instance does not say what they are can still be had as they are held.

    Raises:
        NoSuchObject: it has no such value.
        NotDelivered: what the origin sent cannot be read.
        UnavailableError: a part of ours is away.
    """
    if is_pixel_data(path):
        try:
            image = await instances.images.open(blob)
            if path == (f"{image.pixel_element:08X}",):
                return PixelValue(instances, image)
        except PixelsUnreadable as error:
            log.info("pixel data as they are held only", reason=error.detail)

    def find() -> BulkValue:
        with instances.blobs.open(blob.key, blob.size) as source:
            return bulk_of(source, path)

    try:
        return StoredValue(instances, blob, await instances.threads.run(find))
    except MalformedDataset as error:
        raise _unreadable(blob, error) from error


async def bulk_urls(instances: Instances, blob: BlobRef, study_url: str) -> dict[str, BulkPath]:
    """Give the URL of each value of an instance that its metadata only refers to, and what it leads to.

    Args:
        instances: Where the metadata are made.
        blob: The instance.
        study_url: What the client calls its study.

    Raises:
        NotDelivered: what the origin sent cannot be read.
    """
    text = await instances.derived.described.text(blob, origin_of(blob.key))
    mark = mark_of(blob.key)
    # Within a JSON string a quotation mark is never alone.
    found = re.findall(rb'"BulkDataURI":"' + mark + rb'(/[^"]*/bulkdata/([^"]*))"', text)
    urls = {study_url + url.decode(): parse_bulk_path(path.decode()) for url, path in found}
    if not any(map(is_pixel_data, urls.values())):
        await _require_end(instances, blob)
    return urls


async def _require_end(instances: Instances, blob: BlobRef) -> None:
    """Make sure that an instance without pixel data has none: metadata stop where it breaks off."""
    try:
        await instances.derived.frame_indexes.of(blob)
    except NoSuchObject:
        return
    except MalformedDataset as error:
        raise _unreadable(blob, error) from error


def _unreadable(blob: BlobRef, error: MalformedDataset) -> NotDelivered:
    """Say that the fault lies with the origin, and not with the client's request."""
    detail = f"The instance that the origin sent cannot be read: {error.detail}"
    return NotDelivered(detail, origin=origin_of(blob.key))
