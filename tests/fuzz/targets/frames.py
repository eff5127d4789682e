"""Where frames lie: native and encapsulated pixel data, offset tables of both kinds (PS3.5 A.4)."""

import struct
from collections.abc import Iterable
from io import BytesIO

from isthmus.common.dicom.frame_index import EncapsulatedFrames, frame_index_of
from isthmus.common.errors import MalformedDataset, NoSuchObject
from tests.fuzz.refusals import refusing
from tests.fuzz.samples import element, encapsulated, file_of, files, sequence_end

_JPEG, _VIDEO = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.102"


def target(data: bytes) -> None:
    """Find all frames, and read each: none may lie outside of the file."""
    with refusing(MalformedDataset, NoSuchObject):
        index = frame_index_of(BytesIO(data))
        for number in (*range(1, min(len(index), 20) + 1), len(index)):
            with refusing(NoSuchObject):
                for offset, length in index.frame(number):
                    assert offset >= 0 <= length
        if isinstance(index, EncapsulatedFrames):
            again = EncapsulatedFrames.from_bytes(index.to_bytes())
            assert len(again) == len(index)
    with refusing(ValueError):
        EncapsulatedFrames.from_bytes(data)


def seeds() -> Iterable[bytes]:
    """One or more fragments to a frame, with and without each of the tables."""
    yield from files()
    jpeg = b"\xff\xd8 frame \xff\xd9"
    frames = element(0x00280008, b"IS", b"2 ")
    for table in (b"", struct.pack("<2L", 0, 20), struct.pack("<2L", 0, 9999)):
        yield file_of(_JPEG, frames, encapsulated([table, jpeg, jpeg]))
        yield file_of(_JPEG, frames, encapsulated([table, jpeg[:4], jpeg[4:], jpeg]))
    extended = element(0x7FE00001, b"OV", struct.pack("<2Q", 0, 20)) + element(
        0x7FE00002, b"OV", struct.pack("<2Q", 11, 11)
    )
    padded = jpeg + b"\0"
    yield file_of(_JPEG, frames, extended, encapsulated([b"", padded, padded]))
    yield file_of(_VIDEO, frames, encapsulated([b"", padded, padded]))
    yield file_of(_JPEG, frames, encapsulated([b"", jpeg + b"\0"])[: -len(sequence_end())])
    shape = b"".join(
        element(tag, b"US", struct.pack("<H", value))
        for tag, value in ((0x00280002, 1), (0x00280010, 2), (0x00280011, 2), (0x00280100, 16))
    )
    yield file_of("1.2.840.10008.1.2.1", shape, element(0x7FE00010, b"OW", bytes(8)))
