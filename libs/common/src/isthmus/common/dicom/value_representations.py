"""Which VR an element has, where the data set does not say it, or not for certain (PS3.5 6.2.2, PS3.6)."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Self

from pydicom.datadict import dictionary_VR, private_dictionary_VR

from isthmus.common.dicom.character_sets import CharacterSet
from isthmus.common.dicom.vrs import KNOWN_VRS, PIXEL_DATA

_SPECIFIC_CHARACTER_SET: Final = 0x00080005
_PIXEL_REPRESENTATION: Final = 0x00280103


@dataclass(slots=True)
class Scope:
    """What the elements read so far say about those that follow, down into sequences."""

    character_set: CharacterSet = field(default_factory=CharacterSet)
    signed: bool = False
    """Pixel Representation (0028,0103)."""
    creators: dict[int, str] = field(default_factory=dict)
    """Private creators, by group and block; they hold for one data set only (PS3.5 7.8.1)."""

    def nested(self) -> Self:
        """Give the scope of an item."""
        return type(self)(self.character_set, self.signed)

    @staticmethod
    def depends_on(tag: int) -> bool:
        """Tell whether an element says something about those that follow."""
        return tag in (_SPECIFIC_CHARACTER_SET, _PIXEL_REPRESENTATION) or _is_private_creator(tag)

    def note(self, tag: int, first: object) -> None:
        """Learn from the first value of an element."""
        if tag == _SPECIFIC_CHARACTER_SET:
            self.character_set = CharacterSet.of(first if isinstance(first, str) else "")
        elif tag == _PIXEL_REPRESENTATION:
            self.signed = first == 1
        elif _is_private_creator(tag) and isinstance(first, str):
            self.creators[tag & 0xFFFF0000 | (tag & 0xFF) << 8] = first

    def vr_of(self, tag: int, written: str | None, *, undefined_length: bool = False) -> str:
        """Give the VR of an element.

        Args:
            tag: Its tag.
            written: The VR in the data set, if there is one. UN is replaced where the attribute is known.
            undefined_length: Then it is a sequence, unless the attribute is known to be none.
        """
        if written in KNOWN_VRS and written != "UN":
            return written
        if tag in PIXEL_DATA:
            return _dictionary_vr(tag).split(" or ")[-1]
        if undefined_length:
            return "SQ"
        if _is_private_creator(tag):
            return "LO"
        if tag >> 16 & 1:
            return _private_vr(tag, self.creators.get(tag & 0xFFFFFF00))
        return self._choose(_dictionary_vr(tag))

    def _choose(self, vr: str) -> str:
        if "OW" in vr:
            return "OW"
        if vr == "US or SS":
            return "SS" if self.signed else "US"
        return vr if vr in KNOWN_VRS else "UN"


def _is_private_creator(tag: int) -> bool:
    return bool(tag >> 16 & 1) and 0x10 <= tag & 0xFFFF <= 0xFF


@lru_cache(maxsize=8192)
def _dictionary_vr(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def _private_vr(tag: int, creator: str | None) -> str:
    if creator is None:
        return "UN"
    try:
        vr = private_dictionary_VR(tag, creator)
    except KeyError:
        return "UN"
    return vr if vr in KNOWN_VRS else "UN"
