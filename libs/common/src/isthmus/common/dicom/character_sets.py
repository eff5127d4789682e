"""Specific Character Set: bytes to text, whatever a system has put there (PS3.3 C.12.1.1.2, PS3.5 6.1.2).

Nothing here raises: what cannot be decoded as declared is tried as UTF-8, and at last decoded with
replacement characters. pydicom's decoder warns, and knows only the escape sequences that were declared.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

_REGISTERED: Final = {
    "13": "shift_jis",
    "58": "gb2312",
    "100": "latin_1",
    "101": "iso8859_2",
    "109": "iso8859_3",
    "110": "iso8859_4",
    "126": "iso8859_7",
    "127": "iso8859_6",
    "138": "iso8859_8",
    "144": "iso8859_5",
    "148": "iso8859_9",
    "149": "euc_kr",
    "166": "iso8859_11",
    "192": "utf_8",
    "203": "iso8859_15",
}
"""ISO registration number to codec; 6, 87 and 159 only say what escape sequences may bring."""
_NAMED: Final = {"GB18030": "gb18030", "GBK": "gbk", "ISO2022GBK": "gbk", "UTF8": "utf_8"}
_STAND_ALONE: Final = ("utf_8", "gb18030", "gbk")
"""They know no code extensions (PS3.3 Table C.12-5)."""

_TERM: Final = re.compile(r"ISO(?:2022)?(?:IR)?(\d+)")
_ISO_8859: Final = re.compile(r"ISO8859(\d{1,2})")

_ESC: Final = b"\x1b"
_G0: Final = {
    b"\x1b(B": "",
    b"\x1b(J": "",
    b"\x1b$@": "\x1b$B",
    b"\x1b$B": "\x1b$B",
    b"\x1b$(D": "\x1b$(D",
}
"""What the bytes below 80H become: nothing but ASCII, or a set of two bytes, with the escape Python wants."""
_G1: Final = {
    b"\x1b-A": "latin_1",
    b"\x1b-B": "iso8859_2",
    b"\x1b-C": "iso8859_3",
    b"\x1b-D": "iso8859_4",
    b"\x1b-F": "iso8859_7",
    b"\x1b-G": "iso8859_6",
    b"\x1b-H": "iso8859_8",
    b"\x1b-L": "iso8859_5",
    b"\x1b-M": "iso8859_9",
    b"\x1b-T": "iso8859_11",
    b"\x1b-b": "iso8859_15",
    b"\x1b)I": "shift_jis",
    b"\x1b$)C": "euc_kr",
    b"\x1b$)A": "gb2312",
}
"""What the bytes from 80H on become (PS3.3 Tables C.12-3 and C.12-4)."""
_TOKEN: Final = re.compile(rb"\x1b\$?[()\-]?[@-~]|\x1b|[\x80-\xff]+|[^\x1b\x80-\xff]+")
_LOW: Final = re.compile(rb"[\x00-\x20]+|[^\x00-\x20]+")

_LINES: Final = frozenset(b"\t\n\f\r")
_VALUES: Final = _LINES | frozenset(b"\\")
_NAMES: Final = _VALUES | frozenset(b"^=")


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """How the text of a data set is encoded."""

    codec: str | None = None
    """Of the first value of Specific Character Set; None where it declares no more than ASCII."""

    @classmethod
    def of(cls, specific_character_set: str) -> Self:
        """Understand a Specific Character Set (0008,0005), also as it is often misspelt."""
        first = specific_character_set.split("\\", maxsplit=1)[0]
        term = re.sub(r"[^0-9A-Z]", "", first.upper())
        if term in _NAMED:
            return cls(_NAMED[term])
        if (iso := _ISO_8859.fullmatch(term)) and 1 <= int(iso[1]) <= 16 and int(iso[1]) != 12:
            return cls(f"iso8859_{int(iso[1])}")
        registered = _TERM.fullmatch(term)
        return cls(_REGISTERED.get(registered[1]) if registered else None)

    def decode(self, raw: bytes, vr: str = "LO") -> str:
        """Decode a value, of several values perhaps, with its delimiters.

        Args:
            raw: The bytes of the value.
            vr: Its value representation, on which it depends what resets the code elements (PS3.5 6.1.2.5.3).
        """
        if _ESC in raw and self.codec not in _STAND_ALONE:
            return self._decode_extended(raw, vr)
        return raw.decode("ascii") if raw.isascii() else self._decode_plain(raw, self.codec)

    def _decode_plain(self, raw: bytes, codec: str | None) -> str:
        for attempt in (codec, "utf_8"):
            if attempt is not None:
                try:
                    return raw.decode(attempt)
                except UnicodeDecodeError:
                    continue
        return raw.decode(codec or "latin_1", "replace")

    def _decode_extended(self, raw: bytes, vr: str) -> str:
        """Decode ISO 2022 code extensions, declared or not."""
        delimiters = {"PN": _NAMES, "LT": _LINES, "ST": _LINES, "UT": _LINES}.get(vr, _VALUES)
        g0, g1 = "", self.codec
        text: list[str] = []
        for token in _TOKEN.findall(raw):
            if token in _G0:
                g0 = _G0[token]
            elif token in _G1:
                g1 = _G1[token]
            elif token[0] >= 0x80:
                text.append(self._decode_plain(token, g1))
            elif g0:
                text.append(_decode_pairs(token, g0))
                g0 = g0 if _LINES.isdisjoint(token) else ""
            else:
                text.append(token.decode("ascii"))
                if self.codec is not None and not delimiters.isdisjoint(token):
                    g1 = self.codec
        return "".join(text)


ASCII: Final = CharacterSet()


def _decode_pairs(raw: bytes, escape: str) -> str:
    # Control characters and spaces are no part of the sets of two bytes.
    return "".join(
        run.decode("ascii")
        if run[0] <= 0x20
        else (escape.encode("ascii") + run + b"\x1b(B").decode("iso2022_jp_2", "replace")
        for run in _LOW.findall(raw)
    )
