"""Softcopy presentation states (PS3.3 A.33): how the images look that they are about (PS3.18 10.4.1.2)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.dicom.json_model import DicomJson, metadata_of
from isthmus.common.dicomweb.resource import Resource
from isthmus.common.errors import MalformedDataset, NotDelivered, TooLarge
from isthmus.common.messages import BlobRef
from isthmus.wado.answers.json_items import integers, items, values
from isthmus.wado.instances import Instances

LARGEST: Final = 16 * 1024 * 1024
"""Bytes of a presentation state."""
_STATES: Final = frozenset(f"1.2.840.10008.5.1.4.1.1.11.{number}" for number in (1, 2, 3))
"""Grayscale, color and pseudo-color softcopy presentation states: those that `render` applies."""


def is_presentation(blob: BlobRef) -> bool:
    """Tell whether an instance is a presentation state that can be applied."""
    return blob.sop_class_uid in _STATES


async def presentation_of(instances: Instances, blob: BlobRef) -> bytes:
    """Fetch a presentation state.

    Raises:
        TooLarge: it is larger than any should be.
    """
    if blob.size > LARGEST:
        raise TooLarge("The presentation state is too large", instance=blob.sop_instance_uid)
    return await instances.blobs.get(blob.key)


@dataclass(frozen=True, slots=True)
class Referenced:
    """An image that a presentation state is about."""

    image: Resource
    frames: tuple[int, ...]
    """None: all of them."""


async def images_of(instances: Instances, resource: Resource, blob: BlobRef) -> list[Referenced]:
    """Give the images that a presentation state is about, one at least.

    Raises:
        NotDelivered: what the origin sent cannot be read, or is about no image.
    """
    try:
        found = await instances.threads.run(_read, instances.blobs, blob, resource)
    except MalformedDataset as error:
        detail = f"The presentation state that the origin sent cannot be read: {error.detail}"
        raise NotDelivered(detail, origin=resource.origin) from error
    if not found:
        detail = "The presentation state that the origin sent is about no image"
        raise NotDelivered(detail, origin=resource.origin)
    return found


def _read(blobs: BlobStore, blob: BlobRef, resource: Resource) -> list[Referenced]:
    with blobs.open(blob.key, blob.size) as source:
        return list(_references(metadata_of(source, "")[0], resource))


def _references(attributes: DicomJson, resource: Resource) -> Iterator[Referenced]:
    """Read the Referenced Series Sequence (PS3.3 C.11.11)."""
    for series in items(attributes, "00081115"):
        for image in items(series, "00081140"):
            uids = [*values(series, "0020000E")[:1], *values(image, "00081155")[:1]]
            if len(uids) == 2:
                of_frames = tuple(number for number in integers(image, "00081160") if number > 0)
                series_uid, uid = map(str, uids)
                yield Referenced(Resource(resource.origin, resource.study, series_uid, uid), of_frames)
