"""Pictures and videos, as short as they get."""

import struct
from collections.abc import Iterator

from tests.data_sets.hostile_pixels import good_frames


def made() -> Iterator[bytes]:
    """Give one of every kind, and some that lie about themselves."""
    for frame, _ in good_frames().values():
        yield frame[:4000]
    jpeg_2000 = good_frames()["jpeg-2000"][0]
    yield _jp2(jpeg_2000[:3000])
    yield (
        _box(b"ftyp", b"isom")
        + _box(b"moov", _box(b"trak", _box(b"mdia", _mdia())))
        + _box(b"mdat", bytes(8))
    )
    yield b"\0\0\x01\xb3" + bytes((0x14, 0, 0xF0, 0x23)) + bytes(8) + b"\0\0\x01\xb5\x14\x8a\0\x01\0\0"
    yield struct.pack(">L", 1) + b"ftyp" + struct.pack(">Q", 2**63) + b"isom"


def _jp2(codestream: bytes) -> bytes:
    signature = b"\0\0\0\x0cjP  \r\n\x87\n"
    return (
        signature
        + _box(b"ftyp", b"jp2 ")
        + _box(b"jp2h", _box(b"ihdr", bytes(14)))
        + _box(b"jp2c", codestream)
    )


def _mdia() -> bytes:
    sample = _box(b"avc1", bytes(78) + _box(b"avcC", b"\x01\x64\0\x29\xff\xe1\0\0"))
    tables = _box(b"stsd", struct.pack(">LL", 0, 1) + sample) + _box(b"stsz", struct.pack(">LLL", 0, 0, 3))
    return _box(b"hdlr", bytes(8) + b"vide" + bytes(12)) + _box(b"minf", _box(b"stbl", tables))


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">L4s", 8 + len(content), kind) + content
