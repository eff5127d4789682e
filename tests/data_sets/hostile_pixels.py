"""Frames that are not what they say, or say what nobody should believe."""

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import imagecodecs
import numpy as np

from isthmus.common.dicom.explicit import EXPLICIT_VR_LITTLE_ENDIAN
from isthmus.common.pixels.description import PixelDescription
from isthmus.common.pixels.encode import encode_frame
from isthmus.common.pixels.errors import CorruptFrame, FrameTooLarge, PixelsError, UnsupportedPixels
from isthmus.common.pixels.syntaxes import (
    DEFLATED_FRAMES,
    JPEG_2000_LOSSLESS,
    JPEG_LS_LOSSLESS,
    RLE_LOSSLESS,
)
from tests.data_sets.pictures import GRAY, RGB, picture, picture_file

JPEG_BASELINE: Final = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED: Final = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS_SV1: Final = "1.2.840.10008.1.2.4.70"
HTJ2K_LOSSLESS: Final = "1.2.840.10008.1.2.4.201"
JPEG_XL_LOSSLESS: Final = "1.2.840.10008.1.2.4.110"


@dataclass(frozen=True, slots=True)
class HostilePixels:
    """One frame that cannot be decoded, and the header of its instance."""

    frame: bytes
    description: PixelDescription
    error: type[PixelsError]
    """What decoding it raises."""


def hostile_pixels() -> Mapping[str, HostilePixels]:
    """All of them, by names that may be names of files."""
    found = dict(_bombs())
    for name, (frame, description) in good_frames().items():
        for how, damaged in _damages(frame).items():
            found[f"{name}-{how}"] = HostilePixels(damaged, description, CorruptFrame)
    return found


def hostile_files(directory: Path) -> Mapping[str, Path]:
    """The same as instances of one series, by the same names."""
    directory.mkdir(parents=True, exist_ok=True)
    return {
        name: picture_file(directory / f"{name}.dcm", hostile.description, [hostile.frame])
        for name, hostile in hostile_pixels().items()
    }


def good_frames() -> dict[str, tuple[bytes, PixelDescription]]:
    """Frames that are as they should be."""
    gray, rgb = picture(GRAY), picture(RGB)

    def held(syntax: str, form: PixelDescription) -> PixelDescription:
        return replace(form, transfer_syntax_uid=syntax)

    ybr = replace(RGB, photometric_interpretation="YBR_FULL_422")
    reversible = replace(RGB, photometric_interpretation="YBR_RCT")
    return {
        "jpeg": (bytes(imagecodecs.jpeg_encode(rgb, level=90)), held(JPEG_BASELINE, ybr)),
        "jpeg-12": (
            bytes(imagecodecs.jpeg_encode(gray, level=90, bitspersample=12)),
            held(JPEG_EXTENDED, GRAY),
        ),
        "jpeg-lossless": (
            bytes(imagecodecs.jpeg_encode(gray, lossless=True, bitspersample=12)),
            held(JPEG_LOSSLESS_SV1, GRAY),
        ),
        "jpeg-ls": (encode_frame(gray, GRAY, JPEG_LS_LOSSLESS), held(JPEG_LS_LOSSLESS, GRAY)),
        "jpeg-2000": (encode_frame(rgb, RGB, JPEG_2000_LOSSLESS), held(JPEG_2000_LOSSLESS, reversible)),
        "htj2k": (bytes(imagecodecs.htj2k_encode(gray)), held(HTJ2K_LOSSLESS, GRAY)),
        "rle": (encode_frame(gray, GRAY, RLE_LOSSLESS), held(RLE_LOSSLESS, GRAY)),
        "native": (encode_frame(gray, GRAY, EXPLICIT_VR_LITTLE_ENDIAN), GRAY),
        "deflated": (_deflated(gray.tobytes()), held(DEFLATED_FRAMES, GRAY)),
    }


def _damages(frame: bytes) -> dict[str, bytes]:
    half = len(frame) // 2
    return {
        "empty": b"",
        "cut": frame[:half],
        "cut-but-ended": frame[:half] + b"\xff\xd9",
        "garbage": np.random.default_rng(1).bytes(300),
        "garbage-after-its-first-bytes": frame[:24] + np.random.default_rng(1).bytes(300),
    }


def _bombs() -> dict[str, HostilePixels]:
    frames = good_frames()
    bombs = {}
    for name, patch in _SIZES.items():
        frame, described = frames[name]
        huge = patch(frame)
        largest = replace(described, rows=65535, columns=65535)
        # What it says of itself is huge, and then what its header says too.
        bombs[f"{name}-larger-than-its-header"] = HostilePixels(huge, described, CorruptFrame)
        bombs[f"{name}-bomb"] = HostilePixels(huge, largest, FrameTooLarge)
    rle, described = frames["rle"]
    bombs["rle-bomb"] = HostilePixels(rle, replace(described, rows=65535, columns=65535), FrameTooLarge)
    bombs["rle-of-other-samples"] = HostilePixels(
        rle, replace(RGB, transfer_syntax_uid=RLE_LOSSLESS), CorruptFrame
    )
    bombs["rle-that-points-elsewhere"] = HostilePixels(
        rle[:4] + struct.pack("<2L", 64, 0xFFFFFFF0) + rle[12:], described, CorruptFrame
    )
    gray = frames["deflated"][1]
    bombs["deflated-bomb"] = HostilePixels(_deflated(bytes(64 * 1024 * 1024)), gray, CorruptFrame)
    colour, described = frames["jpeg"]
    bombs["jpeg-of-other-samples"] = HostilePixels(
        colour, replace(GRAY, transfer_syntax_uid=JPEG_BASELINE), CorruptFrame
    )
    precise, described = frames["jpeg-12"]
    narrow = replace(described, bits_allocated=8, bits_stored=8, high_bit=7)
    bombs["jpeg-of-more-bits-than-allocated"] = HostilePixels(precise, narrow, CorruptFrame)
    bombs["jpeg-with-bytes-between-its-segments"] = HostilePixels(
        _between_segments(precise), described, CorruptFrame
    )
    bombs["jpeg-xl"] = HostilePixels(
        b"\xff\x0a" + bytes(30), replace(RGB, transfer_syntax_uid=JPEG_XL_LOSSLESS), UnsupportedPixels
    )
    return bombs


def _deflated(data: bytes) -> bytes:
    deflating = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflating.compress(data) + deflating.flush()


def _between_segments(frame: bytes) -> bytes:
    at = frame.index(b"\xff\xc4")
    return frame[:at] + b"\0\1\2" + frame[at:]


def _of_frame(marker: bytes) -> Callable[[bytes], bytes]:
    def huge(frame: bytes) -> bytes:
        at = frame.index(marker) + 5
        return frame[:at] + b"\xff\xff\xff\xff" + frame[at + 4 :]

    return huge


def _of_siz(frame: bytes) -> bytes:
    at = frame.index(b"\xff\x51") + 6
    side = struct.pack(">I", 65535)
    return frame[:at] + side * 2 + frame[at + 8 : at + 16] + side * 2 + frame[at + 24 :]


_SIZES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "jpeg": _of_frame(b"\xff\xc0"),
    "jpeg-12": _of_frame(b"\xff\xc1"),
    "jpeg-lossless": _of_frame(b"\xff\xc3"),
    "jpeg-ls": _of_frame(b"\xff\xf7"),
    "jpeg-2000": _of_siz,
    "htj2k": _of_siz,
}
