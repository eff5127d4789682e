"""The transfer syntaxes and what can be done with the pixels in them (PS3.5 Annex A)."""

from typing import Final

from isthmus.common.dicom.explicit import EXPLICIT_VR_LITTLE_ENDIAN
from isthmus.common.dicom.implicit import IMPLICIT_VR_LITTLE_ENDIAN

RLE_LOSSLESS: Final = "1.2.840.10008.1.2.5"
JPEG_LS_LOSSLESS: Final = "1.2.840.10008.1.2.4.80"
JPEG_2000_LOSSLESS: Final = "1.2.840.10008.1.2.4.90"

BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
NATIVE: Final = frozenset(
    {
        IMPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_LITTLE_ENDIAN,
        "1.2.840.10008.1.2.1.99",
        BIG_ENDIAN,
    }
)
"""Those whose pixels are not compressed; the deflated one compresses the whole data set."""
DEFLATED_FRAMES: Final = "1.2.840.10008.1.2.8.1"
UNCOMPRESSED_FRAMES: Final = frozenset({"1.2.840.10008.1.2.1.98", DEFLATED_FRAMES})
"""Those of which each fragment is a native frame, as it is or deflated by itself (PS3.5 A.4.11, A.4.13)."""
JPEG: Final = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51))
"""Discrete cosine transform, always lossy."""
JPEG_LOSSLESS: Final = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (57, 70))
JPEG_LS: Final = frozenset({JPEG_LS_LOSSLESS, "1.2.840.10008.1.2.4.81"})
JPEG_2000: Final = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 92, 93))
HTJ2K: Final = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (201, 202, 203))
RLE: Final = frozenset({RLE_LOSSLESS})

LOSSY: Final = JPEG | {f"1.2.840.10008.1.2.4.{number}" for number in (81, 91, 93, 203, 112)}
"""Those in which pixels may have been changed by compression; nothing is ever encoded into them here."""
DECODABLE: Final = NATIVE | UNCOMPRESSED_FRAMES | JPEG | JPEG_LOSSLESS | JPEG_LS | JPEG_2000 | HTJ2K | RLE
ENCODABLE: Final = (EXPLICIT_VR_LITTLE_ENDIAN, RLE_LOSSLESS, JPEG_LS_LOSSLESS, JPEG_2000_LOSSLESS)
"""What pixels can be given in, without loss, the default of PS3.18 8.7.3.5.2 first."""


def producible(held: str) -> tuple[str, ...]:
    """Give the transfer syntaxes in which an instance can be had, Explicit VR Little Endian first.

    All of them are without loss, what is held comes last unless it is among them, and whatever cannot be
    decoded here (video, syntaxes that nobody knows) is to be had as it is held only. Implicit VR and big
    endian are never given (PS3.18 8.7.3.5.2). Whether the form of the pixels fits is said by
    `isthmus.common.pixels.encode.fits`.
    """
    if held not in DECODABLE:
        return (held,)
    if held in NATIVE or held in ENCODABLE:
        return ENCODABLE
    return (*ENCODABLE, held)
