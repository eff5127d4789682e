"""MPEG-2 video (ITU-T H.262), whatever stream it is in (PS3.5 8.2.5)."""

import struct
from typing import Final

from isthmus.stow.pictures.compressed import Compressed, NoTransferSyntax, Pixels, Unreadable

_ROOT: Final = "1.2.840.10008.1.2.4."
_MAIN_LEVEL: Final = f"{_ROOT}100", frozenset((f"{_ROOT}100.1",))
_HIGH_LEVEL: Final = f"{_ROOT}101", frozenset((f"{_ROOT}101.1",))
_SEQUENCE_HEADER: Final = b"\x00\x00\x01\xb3"
_EXTENSION: Final = b"\x00\x00\x01\xb5"
_SEQUENCE_EXTENSION: Final = 1
_MAIN_PROFILE: Final = 4
_LEVELS: Final = {8: _MAIN_LEVEL, 6: _HIGH_LEVEL, 4: _HIGH_LEVEL}
"""Main, High 1440 and High (ITU-T H.262 Table 8-3)."""


def describe_mpeg_2(head: bytes, size: int) -> Compressed:
    """Describe a video of the Main Profile; how many frames it has is not told.

    Args:
        head: Its beginning.
        size: Of the whole.

    Raises:
        Unreadable: no sequence begins there.
        NoTransferSyntax: it is MPEG-1, or of another profile.
    """
    at = head.find(_SEQUENCE_HEADER)
    extension = head.find(_EXTENSION, at) if at >= 0 else -1
    if at < 0 or len(head) < at + 8:
        raise Unreadable("no MPEG-2 video that can be read")
    if extension < 0 or len(head) < extension + 8 or head[extension + 4] >> 4 != _SEQUENCE_EXTENSION:
        raise NoTransferSyntax("no transfer syntax holds this kind of video")
    sizes = int.from_bytes(head[at + 4 : at + 7])
    (bits,) = struct.unpack_from(">L", head, extension + 4)
    # Identifier in 4 bits, profile and level 8, progressive 1, chroma format 2, more of width 2, of height 2.
    profile, level = bits >> 24 & 0x7, bits >> 20 & 0xF
    columns = sizes >> 12 | (bits >> 15 & 0x3) << 12
    rows = sizes & 0xFFF | (bits >> 13 & 0x3) << 12
    if profile != _MAIN_PROFILE or level not in _LEVELS:
        raise NoTransferSyntax("no transfer syntax holds this profile of MPEG-2")
    syntax, others = _LEVELS[level]
    pixels = Pixels(rows, columns, 3, 8, "YBR_PARTIAL_420")
    return Compressed(syntax, others, pixels, ((0, size),), is_stream=True, number_of_frames=None)
