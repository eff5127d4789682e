"""Subjects of certificates as text (RFC 4514), whoever wrote them: the gateway, scp, or the settings."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

_SPLIT: Final = re.compile(r"(?<!\\)((?:\\\\)*)[,+]")
_BLANKS: Final = re.compile(r"^\s+|(?<!\\)\s+$")
_ESCAPED: Final = re.compile(rb"\\([0-9A-Fa-f]{2}|.)", re.DOTALL)
_ENCODED: Final = re.compile(r"#(?:[0-9A-Fa-f]{2})+")
_STRINGS: Final = frozenset({0x0C, 0x13, 0x14, 0x16})
"""Tags of UTF8String, PrintableString, TeletexString and IA5String (X.690)."""
_SHORT: Final = 0x80
"""Lengths from here on take more than a byte."""
_KINDS: Final[Mapping[str, str]] = {
    "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.1": "UID",
    "1.2.840.113549.1.9.1": "E",
    "EMAILADDRESS": "E",
}
"""Types that some write as a number, or by another name."""


def is_same_subject(one: str, other: str) -> bool:
    """Tell whether two texts are the same subject; nobody's is nobody's.

    The order of their parts does not count: Go, which the gateway is written in, has one of its own, while
    others keep that of the certificate. Nor does how characters are escaped, and whether a value is encoded
    (RFC 4514 2.4), as Go has it of the types that it does not know.
    """
    return bool(one) and _parts(one) == _parts(other)


@lru_cache(maxsize=4096)
def _parts(subject: str) -> tuple[tuple[str, bytes], ...]:
    pieces = _SPLIT.sub("\\1\n", subject.replace("\n", "\\0A")).split("\n")
    split = [_BLANKS.sub("", piece).partition("=") for piece in pieces]
    return tuple(sorted((_kind(kind), _value(value.lstrip())) for kind, _, value in split))


def _kind(written: str) -> str:
    kind = written.strip().upper()
    return _KINDS.get(kind, kind)


def _value(written: str) -> bytes:
    if _ENCODED.fullmatch(written):
        encoded = bytes.fromhex(written[1:])
        is_string = encoded[0] in _STRINGS and len(encoded) > 1
        if is_string and encoded[1] < _SHORT and len(encoded) == 2 + encoded[1]:
            return encoded[2:]
    return _ESCAPED.sub(_unescaped, written.encode())


def _unescaped(found: re.Match[bytes]) -> bytes:
    return bytes.fromhex(found[1].decode()) if len(found[1]) == 2 else found[1]
