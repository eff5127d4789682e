"""Text to bytes in a Specific Character Set that somebody else chose (PS3.3 C.12.1.1.2, PS3.5 6.1.2).

What we write ourselves is in UTF-8; this is for answers to systems that may know no more than what they asked
with. Nothing is replaced: where a text does not fit, there are no bytes.
"""

import re
from collections.abc import Sequence
from typing import Final

from isthmus.common.dicom.character_sets import CharacterSet

_UTF_8: Final = "ISO_IR 192"
_ONE_BYTE: Final = "shift_jis"
"""The codec in which JIS X 0201 (ISO-IR 13) is had: only its single bytes are meant."""
_EXTENSIONS: Final = {
    "13": (b"\x1b)I", "shift_jis"),
    "58": (b"\x1b$)A", "gb2312"),
    "87": (b"", "iso2022_jp"),
    "100": (b"\x1b-A", "latin_1"),
    "101": (b"\x1b-B", "iso8859_2"),
    "109": (b"\x1b-C", "iso8859_3"),
    "110": (b"\x1b-D", "iso8859_4"),
    "126": (b"\x1b-F", "iso8859_7"),
    "127": (b"\x1b-G", "iso8859_6"),
    "138": (b"\x1b-H", "iso8859_8"),
    "144": (b"\x1b-L", "iso8859_5"),
    "148": (b"\x1b-M", "iso8859_9"),
    "149": (b"\x1b$)C", "euc_kr"),
    "159": (b"", "iso2022_jp_1"),
    "166": (b"\x1b-T", "iso8859_11"),
    "203": (b"\x1b-b", "iso8859_15"),
}
"""Escape sequence and codec by ISO registration number (PS3.3 Tables C.12-3 and C.12-4); two codecs write
their escape sequences themselves."""
_EXTENDED: Final = re.compile(r"ISO 2022 IR (\d+)")


def localize(text: str, vr: str, specific_character_set: str) -> bytes | None:
    """Encode a value, of several values perhaps, with its delimiters.

    Args:
        text: the value.
        vr: its value representation.
        specific_character_set: as it stands in a data set, with backslashes between its values.

    Returns:
        The bytes, which mean this text and nothing else; None where there are none.
    """
    if specific_character_set == _UTF_8:
        return text.encode()
    character_set = CharacterSet.of(specific_character_set)
    codecs = _codecs(character_set.codec, specific_character_set.split("\\")[1:])
    raw = _separated(text, ("\\", "=", "^") if vr == "PN" else ("\\",), codecs)
    return raw if raw is not None and character_set.decode(raw, vr) == text else None


_Codecs = Sequence[tuple[bytes, str]]


def _codecs(first: str | None, others: Sequence[str]) -> _Codecs:
    """Give what a part of a text may be encoded with, and the escape sequence before it."""
    extended = (_EXTENDED.fullmatch(term.strip()) for term in others)
    known = [_EXTENSIONS[term[1]] for term in extended if term is not None and term[1] in _EXTENSIONS]
    return ([(b"", first)] if first is not None else []) + known


def _separated(text: str, separators: Sequence[str], codecs: _Codecs) -> bytes | None:
    """Encode each part of a value by itself: behind a separator all begins anew (PS3.5 6.1.2.5.3)."""
    if not separators:
        return _encoded(text, codecs)
    first, *others = separators
    parts: list[bytes] = []
    for part in text.split(first):
        encoded = _separated(part, others, codecs)
        if encoded is None:
            return None
        parts.append(encoded)
    return first.encode("ascii").join(parts)


def _encoded(text: str, codecs: _Codecs) -> bytes | None:
    if text.isascii():
        return text.encode("ascii")
    for escape, codec in codecs:
        try:
            raw = text.encode(codec)
        except UnicodeEncodeError:
            continue
        if codec != _ONE_BYTE or len(raw) == len(text):
            return escape + raw
    return None
