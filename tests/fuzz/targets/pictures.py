"""What compressed pictures and videos say of themselves, before anything decodes them."""

from collections.abc import Iterable
from io import BytesIO

from isthmus.common.pixels.codestream import (
    jpeg_2000_codestream,
    jpeg_codestream,
    without_remarks,
)
from isthmus.common.pixels.errors import CorruptFrame, UnsupportedPixels
from isthmus.stow.pictures.describe import describe
from isthmus.stow.reasons import Refusal
from tests.fuzz.pictures_made import made
from tests.fuzz.refusals import refusing

_TYPES = ("image/jpeg", "image/jls", "image/jp2", "image/jphc", "video/mpeg2", "video/mp4", "image/dicom-rle")


def target(data: bytes) -> None:
    """Read the headers, by each name that they may come under."""
    with refusing(CorruptFrame):
        jpeg_codestream(data)
        without_remarks(data)
    with refusing(CorruptFrame, UnsupportedPixels):
        jpeg_2000_codestream(data)
    media_type = _TYPES[len(data) % len(_TYPES)]
    for declared in (None, "1.2.840.10008.1.2.4.90"):
        with refusing(Refusal):
            found = describe(BytesIO(data), len(data), media_type, declared)
            for offset, length in found.frames:
                assert 0 <= offset <= offset + length <= len(data), "a frame lies outside of its part"


def seeds() -> Iterable[bytes]:
    """Of every kind that is known."""
    return made()
