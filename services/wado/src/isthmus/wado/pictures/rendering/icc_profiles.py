"""The profiles of well-known colour spaces, made of their published numbers (ICC.1:2022 8.4, 10.18).

Each is a matrix and a curve. All are relative to D50, the white of ICC's connection space, so that of spaces
with another white the primaries are those adapted to D50.
"""

import struct
from collections.abc import Sequence
from functools import cache
from typing import Final

Xyz = tuple[float, float, float]

_D50: Final[Xyz] = (0.9642, 1.0, 0.8249)
_SRGB_CURVE: Final = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""IEC 61966-2-1: (a x + b) ** g from d on, c x below; in the order of ICC: g, a, b, c, d."""


@cache
def srgb() -> bytes:
    """IEC 61966-2-1."""
    primaries = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
    return _of_rgb("sRGB IEC61966-2.1", primaries, _SRGB_CURVE)


@cache
def adobe_rgb() -> bytes:
    """Adobe RGB (1998)."""
    primaries = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
    return _of_rgb("Adobe RGB (1998) compatible", primaries, (563 / 256,))


@cache
def romm_rgb() -> bytes:
    """ISO 22028-2."""
    primaries = ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491))
    return _of_rgb("ROMM RGB ISO 22028-2", primaries, (1.8, 1.0, 0.0, 1 / 16, 16 * 16 ** (1.8 / (1 - 1.8))))


@cache
def gray() -> bytes:
    """Gray with the curve of sRGB."""
    return _profile("Gray, sRGB curve", b"GRAY", [(b"kTRC", _curve(_SRGB_CURVE))])


def _of_rgb(name: str, primaries: Sequence[Xyz], curve: Sequence[float]) -> bytes:
    columns = [(b"rXYZ", _xyz(primaries[0])), (b"gXYZ", _xyz(primaries[1])), (b"bXYZ", _xyz(primaries[2]))]
    curves = [(signature, _curve(curve)) for signature in (b"rTRC", b"gTRC", b"bTRC")]
    return _profile(name, b"RGB ", [*columns, *curves])


def _profile(name: str, colour_space: bytes, tags: Sequence[tuple[bytes, bytes]]) -> bytes:
    described = [
        (b"desc", _text(name)),
        (b"cprt", _text("No copyright, use freely")),
        (b"wtpt", _xyz(_D50)),
        *tags,
    ]
    offset = _HEADER_BYTES + 4 + 12 * len(described)
    table, data = struct.pack(">I", len(described)), b""
    places: dict[bytes, int] = {}
    for signature, element in described:
        if element not in places:
            places[element] = offset + len(data)
            data += element
        table += struct.pack(">4sII", signature, places[element], len(element))
    header = struct.pack(
        ">I4sI4s4s4s6H4s4sI4sIQI3i4s44x",
        offset + len(data),
        b"\0" * 4,  # the preferred module
        0x04400000,
        b"mntr",
        colour_space,
        b"XYZ ",
        *(2022, 1, 1, 0, 0, 0),
        b"acsp",
        b"\0" * 4,  # the primary platform
        0,
        b"\0" * 4,  # the manufacturer
        0,
        0,
        1,  # relative colorimetric
        *(round(part * 65536) for part in _D50),
        b"\0" * 4,  # the creator
    )
    return header + table + data


_HEADER_BYTES: Final = 128


def _xyz(value: Xyz) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(value)


def _curve(parameters: Sequence[float]) -> bytes:
    kind = {1: 0, 5: 3}[len(parameters)]
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + _fixed(parameters)


def _text(value: str) -> bytes:
    encoded = value.encode("utf-16-be")
    element = b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28) + encoded
    return element + b"\0" * (-len(element) % 4)


def _fixed(values: Sequence[float]) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)
