"""Attribute names and tags: what a client calls an attribute, and what it is."""

import re
from collections.abc import Sequence
from typing import Final

from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_for_tag, tag_for_keyword

from isthmus.common.errors import InvalidParameter

AttributePath = tuple[str, ...]
"""Tags from the outermost sequence inwards, each as 8 upper-case hexadecimal digits."""

_HEX: Final = re.compile(r"[0-9A-Fa-f]{8}")
_KEYWORD: Final = re.compile(r"[A-Z][A-Za-z0-9]*")
_DEEPEST: Final = 16
"""Tags in a path: no module of PS3.3 nests as deep, and whoever encodes a path does so recursively."""
_TRAILING_PADDING: Final = 0xFFFCFFFC


def parse_path(text: str, parameter: str) -> AttributePath:
    """Read a keyword, a tag of 8 hexadecimal digits, or a dotted path of both (PS3.18 8.3.4.1).

    Eight hexadecimal digits are always a tag; no keyword of PS3.6 has that form. An attribute of a repeating
    group (60xx) is known by its tags alone, since its keyword stands for all of them. Private tags are taken;
    group lengths, delimiters, padding, and the groups of commands and file meta information are not.

    Raises:
        InvalidParameter: some part of it is no attribute, or a parent is no sequence.
    """
    parts = text.split(".")
    if len(parts) > _DEEPEST:
        raise InvalidParameter(parameter, f"a path has {_DEEPEST} attributes at most")
    path = tuple(_parse_tag(part, parameter) for part in parts)
    for parent in path[:-1]:
        if vr_of(parent) != "SQ":
            raise InvalidParameter(parameter, f"{keyword_of(parent) or parent} is no sequence")
    return path


def looks_like_attribute(name: str) -> bool:
    """Tell whether the name of a query parameter is meant as an attribute, even one that does not exist."""
    first = name.split(".", maxsplit=1)[0]
    return bool(_HEX.fullmatch(first) or _KEYWORD.fullmatch(first)) or _tag_for(first) is not None


def _parse_tag(text: str, parameter: str) -> str:
    tag = int(text, 16) if _HEX.fullmatch(text) else _tag_for(text)
    if tag is None or not _is_attribute(tag):
        shown = text if text.isascii() and text.isalnum() and len(text) <= 64 else "this"
        raise InvalidParameter(parameter, f"{shown} is no attribute")
    return f"{tag:08X}"


def _tag_for(keyword: str) -> int | None:
    # The dictionary has retired attributes without a keyword, and would give one of them for the empty text.
    return tag_for_keyword(keyword) if keyword else None


def _is_attribute(tag: int) -> bool:
    group, element = tag >> 16, tag & 0xFFFF
    if group <= 0x0007 or element == 0 or tag == _TRAILING_PADDING:
        return False
    if _is_private(tag):
        # PS3.5 7.8.1: a private creator, or an element of a block that one reserves.
        return group != 0xFFFF and (_is_private_creator(tag) or element >= 0x1000)
    return _vr(tag) not in (None, "NONE")


def is_private(path: AttributePath) -> bool:
    """Tell whether an attribute is a private one, or in one (PS3.5 7.8)."""
    return any(_is_private(int(tag, 16)) for tag in path)


def _is_private(tag: int) -> bool:
    return tag >> 16 & 1 == 1


def _is_private_creator(tag: int) -> bool:
    return _is_private(tag) and 0x0010 <= tag & 0xFFFF <= 0x00FF


def _vr(tag: int) -> str | None:
    if _is_private_creator(tag):
        return "LO"
    try:
        return dictionary_VR(tag)
    except KeyError:
        return None


def vr_of(tag: str) -> str:
    """Give the value representation of a tag (PS3.6): the first of several, `UN` for private ones."""
    return (_vr(int(tag, 16)) or "UN").split(" or ", maxsplit=1)[0]


def is_multi_valued(tag: str) -> bool:
    """Tell whether an attribute may have several values (PS3.6); private ones are not taken to."""
    try:
        return dictionary_VM(int(tag, 16)) != "1"
    except KeyError:
        return False


def keyword_of(tag: str) -> str:
    """Give the keyword of a tag (PS3.6); empty for private ones."""
    return keyword_for_tag(int(tag, 16))


def tag_of(keyword: str) -> str:
    """Give the tag of a keyword that is known to exist."""
    tag = _tag_for(keyword)
    if tag is None:
        raise KeyError(keyword)
    return f"{tag:08X}"


def tags_of(keywords: Sequence[str]) -> tuple[str, ...]:
    """Give the tags of keywords that are known to exist."""
    return tuple(tag_of(keyword) for keyword in keywords)
