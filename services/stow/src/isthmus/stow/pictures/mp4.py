"""H.264 and HEVC video in MP4 files (ISO/IEC 14496-12, -15; PS3.5 8.2.7, 8.2.8)."""

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from isthmus.stow.pictures.boxes import Box, boxes
from isthmus.stow.pictures.compressed import Compressed, NoTransferSyntax, Pixels, Unreadable

_ROOT: Final = "1.2.840.10008.1.2.4."
_TO_TABLE: Final = (b"mdia", b"minf", b"stbl")
_SAMPLE_ENTRY: Final = 78
"""Bytes of a visual sample entry before its boxes (ISO/IEC 14496-12 12.1.3)."""
_LARGEST_ENTRY: Final = 64 * 1024
_H264_PROFILES: Final = frozenset((66, 77, 100))
"""Baseline, Main, and High, whose decoders read all of them."""
_HEVC: Final = {1: 8, 2: 10}
"""Main and Main 10 profile, with their bits."""
_HEVC_LEVEL: Final = 153
"""5.1."""


def describe_mp4(source: BinaryIO, size: int) -> Compressed:
    """Describe the video track of a file.

    Raises:
        Unreadable: it has none.
        NoTransferSyntax: it is of another codec, profile or level.
    """
    for track in _tracks(source, size):
        table = {box.kind: box for box in boxes(source, track.begin, track.end)}
        if b"stsd" not in table or b"stsz" not in table:
            continue
        found = _describe_entry(_read(source, table[b"stsd"]))
        if found is not None:
            syntax, others, pixels = found
            (count,) = struct.unpack(">L", _read(source, table[b"stsz"], 12)[8:])
            return Compressed(syntax, others, pixels, ((0, size),), is_stream=True, number_of_frames=count)
    raise Unreadable("no MP4 video that can be read")


def _tracks(source: BinaryIO, size: int) -> Iterator[Box]:
    """Give the sample table of each track."""
    for movie in _named(source, 0, size, b"moov"):
        for found in _named(source, movie.begin, movie.end, b"trak"):
            track: Box | None = found
            for kind in _TO_TABLE:
                track = next(_named(source, track.begin, track.end, kind), None) if track else None
            if track:
                yield track


def _named(source: BinaryIO, begin: int, end: int, kind: bytes) -> Iterator[Box]:
    return (box for box in boxes(source, begin, end) if box.kind == kind)


def _read(source: BinaryIO, box: Box, length: int | None = None) -> bytes:
    length = box.end - box.begin if length is None else length
    source.seek(box.begin)
    data = source.read(min(length, _LARGEST_ENTRY))
    if len(data) < length:
        raise Unreadable("a file that breaks off")
    return data


def _describe_entry(descriptions: bytes) -> tuple[str, frozenset[str], Pixels] | None:
    """Read the first sample description; None if it is not of a video."""
    entry = descriptions[8:]
    kind, visual = entry[4:8], entry[8 : 8 + _SAMPLE_ENTRY]
    if kind not in (b"avc1", b"avc3", b"hvc1", b"hev1"):
        if kind in (b"mp4v", b"vp09", b"av01", b"encv"):
            raise NoTransferSyntax("no transfer syntax holds this kind of video")
        return None
    if len(visual) < _SAMPLE_ENTRY:
        raise Unreadable("a file that breaks off")
    columns, rows = struct.unpack_from(">HH", visual, 24)
    configuration = entry[8 + _SAMPLE_ENTRY :]
    if kind.startswith(b"avc"):
        syntax, others = _h264(_content(configuration, b"avcC", 4))
        bits = 8
    else:
        syntax, bits = _hevc(_content(configuration, b"hvcC", 13))
        others = frozenset()
    return syntax, others, Pixels(rows, columns, 3, bits, "YBR_PARTIAL_420")


def _content(configuration: bytes, kind: bytes, least: int) -> bytes:
    at = configuration.find(kind)
    content = configuration[at + 4 :] if at >= 0 else b""
    if len(content) < least:
        raise Unreadable("a video that does not tell its profile")
    return content


def _h264(configuration: bytes) -> tuple[str, frozenset[str]]:
    profile, level = configuration[1], configuration[3]
    # What Level 4.1 has, 4.2 has too; which is for Blu-ray discs, or for 3D, only the client knows.
    beyond = ["104", "104.1", "105", "105.1"]
    if profile in _H264_PROFILES and level <= 41:
        return f"{_ROOT}102", frozenset(f"{_ROOT}{one}" for one in ("102.1", "103", "103.1", *beyond))
    if profile in _H264_PROFILES and level <= 42:
        return f"{_ROOT}104", frozenset(f"{_ROOT}{one}" for one in beyond[1:])
    raise NoTransferSyntax("no transfer syntax holds this profile of H.264")


def _hevc(configuration: bytes) -> tuple[str, int]:
    profile, level = configuration[1] & 0x1F, configuration[12]
    if profile not in _HEVC or level > _HEVC_LEVEL:
        raise NoTransferSyntax("no transfer syntax holds this profile of HEVC")
    return f"{_ROOT}{106 + profile}", _HEVC[profile]
