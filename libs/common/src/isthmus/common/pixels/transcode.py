"""Frames and headers from one transfer syntax to another, without loss.

What was compressed with loss stays as it is decompressed, in every syntax that it is given in; the instance
says on that it was compressed (PS3.3 C.7.6.1.1.5).
"""

from collections.abc import Mapping
from dataclasses import replace

from isthmus.common.dicom.explicit import EXPLICIT_VR_LITTLE_ENDIAN
from isthmus.common.pixels.decode import MAX_BYTES, decoded_photometric_interpretation, stored_frame
from isthmus.common.pixels.description import PixelDescription, PixelElement
from isthmus.common.pixels.encode import encode_frame
from isthmus.common.pixels.native import little_endian
from isthmus.common.pixels.syntaxes import (
    JPEG,
    JPEG_2000_LOSSLESS,
    NATIVE,
    RLE_LOSSLESS,
)


def transcoded_frame(
    frame: bytes, description: PixelDescription, target: str, max_bytes: int = MAX_BYTES
) -> bytes:
    """Give one frame in another transfer syntax.

    Native frames stay as they are, but for their byte order. Bits that are stored beside the samples, such as
    overlays, are kept.

    Args:
        frame: As it is held, as for `decode_frame`.
        description: Of the instance as it is held.
        target: One of `producible` that `fits`.
        max_bytes: What the decoded frame may take.

    Raises:
        FrameTooLarge: it would take more.
        CorruptFrame: the frame cannot be decoded.
        UnsupportedPixels: it cannot be decoded or encoded here.
    """
    if description.transfer_syntax_uid in NATIVE and target == EXPLICIT_VR_LITTLE_ENDIAN:
        return little_endian(frame, description)
    stored = stored_frame(frame, description, max_bytes)
    described = replace(description, photometric_interpretation=stored.photometric_interpretation)
    return encode_frame(stored.array, described, target)


def description_in(description: PixelDescription, target: str) -> PixelDescription:
    """Give the description of the same pixels in another transfer syntax.

    Native pixels that stay native keep their arrangement; all others are pixel by pixel, or plane by plane in
    RLE (PS3.5 G.2). JPEG that was compressed as YBR becomes RGB, which is what decoders make of it
    (PS3.5 8.2.1); RGB becomes YBR_RCT in JPEG 2000 (PS3.5 8.2.4), and RGB again out of it.
    """
    if description.transfer_syntax_uid in NATIVE and target == EXPLICIT_VR_LITTLE_ENDIAN:
        return replace(description, transfer_syntax_uid=target)
    photometric = decoded_photometric_interpretation(description)
    if target == JPEG_2000_LOSSLESS and photometric == "RGB":
        photometric = "YBR_RCT"
    plane_by_plane = description.samples_per_pixel > 1 and target == RLE_LOSSLESS
    return replace(
        description,
        transfer_syntax_uid=target,
        photometric_interpretation=photometric,
        planar_configuration=int(plane_by_plane),
    )


def header_changes(description: PixelDescription, target: str) -> Mapping[str, str | int]:
    """Give the elements, by keyword, that are others in another transfer syntax than as they are held.

    What says that pixels were compressed with loss stays, and JPEG with loss always says so
    (PS3.3 C.7.6.1.1.5).
    """
    after = description_in(description, target)
    changes: dict[str, str | int] = {}
    if after.photometric_interpretation != description.photometric_interpretation:
        changes["PhotometricInterpretation"] = after.photometric_interpretation
    if after.planar_configuration != description.planar_configuration:
        changes["PlanarConfiguration"] = after.planar_configuration
    if description.transfer_syntax_uid in JPEG:
        changes["LossyImageCompression"] = "01"
    return changes


def pixel_data_vr(description: PixelDescription, target: str) -> str:
    """Give the VR of the pixel data in another transfer syntax (PS3.5 8.1.2, A.2, A.4)."""
    if description.element is PixelElement.FLOAT:
        return "OF"
    if description.element is PixelElement.DOUBLE:
        return "OD"
    return "OW" if target == EXPLICIT_VR_LITTLE_ENDIAN and description.bits_allocated > 8 else "OB"
