"""The pixel data of deflated instances (PS3.5 A.5)."""

from collections.abc import Iterator
from typing import BinaryIO, Final

from isthmus.common.dicom.dataset_source import open_dataset
from isthmus.common.dicom.element_reader import BrokenDataset
from isthmus.common.dicom.vrs import PIXEL_DATA

_CHUNK: Final = 256 * 1024


def inflated_pixels(source: BinaryIO) -> Iterator[bytes]:
    """Give the value of the pixel data in chunks, in constant memory.

    Args:
        source: A seekable file of an instance whose pixels are native.

    Raises:
        MalformedDataset: it cannot be inflated to the end of the value, or to more than a limit only.
    """
    dataset = open_dataset(source)
    for header in dataset.reader.elements(None, dataset.encoding, outermost=True):
        if header.tag in PIXEL_DATA and header.length:
            for start in range(0, header.length, _CHUNK):
                yield dataset.reader.read(min(_CHUNK, header.length - start))
            return
    raise BrokenDataset("The data set has no pixel data")
