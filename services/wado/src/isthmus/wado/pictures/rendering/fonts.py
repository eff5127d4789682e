"""The font of annotations, and how text is written that it cannot draw."""

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_FILE: Final = "DejaVuSans.ttf"
"""Latin, Greek, Cyrillic, Hebrew, Arabic; Debian's `fonts-dejavu-core` and most other systems have it."""
_NO_GLYPH: Final = "\uffff"
_UNDRAWABLE: Final = "?"
_PLAIN: Final[Mapping[str, str]] = {
    **{"ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"},
    **{"đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i", "’": "'", "–": "-", "·": "-"},
}


@lru_cache(maxsize=16)
def font_of(size: int) -> Font:
    """Give the font: DejaVu Sans where the system has it, or else what Pillow brings, which is ASCII only."""
    try:
        return ImageFont.truetype(_FILE, size)
    except OSError:
        return ImageFont.load_default(size)


def drawable(text: str, font: Font) -> str:
    """Give a text in which each character can be drawn: as it is, in plain letters, or as a question mark."""
    return "".join(_drawable(character, font) for character in text if character.isprintable())


@lru_cache(maxsize=4096)
def _drawable(character: str, font: Font) -> str:
    if _has_glyph(character, font):
        return character
    plain = _PLAIN.get(character) or "".join(
        part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part)
    )
    return "".join(part if _has_glyph(part, font) else _UNDRAWABLE for part in plain)


def _has_glyph(character: str, font: Font) -> bool:
    if character.isspace():
        return True
    glyph, none = font.getmask(character), font.getmask(_NO_GLYPH)
    return glyph.size != none.size or bytes(glyph) != bytes(none)
