"""Attribute names and tags: what a client calls an attribute, and what it is."""

import re
from collections.abc import Sequence
from typing import Final

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from isthmus.common.errors import InvalidParameter

AttributePath = tuple[str, ...]
"""Tags from the outermost sequence inwards, each as 8 upper-case hexadecimal digits."""

_HEX: Final = re.compile(r"[0-9A-Fa-f]{8}")
_KEYWORD: Final = re.compile(r"[A-Z][A-Za-z0-9]*")


def parse_path(text: str, parameter: str) -> AttributePath:
    """Read a keyword, a tag of 8 hexadecimal digits, or a dotted path of both (PS3.18 8.3.4.1).

    Private tags are taken, group lengths and the groups of commands and file meta information are not.

    Raises:
        InvalidParameter: some part of it is no attribute, or a parent is no sequence.
    """
    path = tuple(_parse_tag(part, parameter) for part in text.split("."))
    for parent in path[:-1]:
        if vr_of(parent) != "SQ":
            raise InvalidParameter(parameter, f"{keyword_of(parent) or parent} is no sequence")
    return path


def looks_like_attribute(name: str) -> bool:
    """Tell whether the name of a query parameter is meant as an attribute, even one that does not exist."""
    first = name.split(".", maxsplit=1)[0]
    return bool(_HEX.fullmatch(first) or _KEYWORD.fullmatch(first))


def _parse_tag(text: str, parameter: str) -> str:
    if _HEX.fullmatch(text):
        tag = int(text, 16)
        known = tag >> 16 & 1 or _vr(tag) is not None
    else:
        found = tag_for_keyword(text)
        tag, known = found or 0, found is not None
    if not known or tag >> 16 <= 0x0007 or tag & 0xFFFF == 0:
        shown = text if text.isalnum() and len(text) <= 64 else "this"
        raise InvalidParameter(parameter, f"{shown} is no attribute")
    return f"{tag:08X}"


def _vr(tag: int) -> str | None:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return None


def vr_of(tag: str) -> str:
    """Give the value representation of a tag (PS3.6): the first of several, `UN` for private ones."""
    return (_vr(int(tag, 16)) or "UN").split(" or ", maxsplit=1)[0]


def keyword_of(tag: str) -> str:
    """Give the keyword of a tag (PS3.6); empty for private ones."""
    return keyword_for_tag(int(tag, 16))


def tag_of(keyword: str) -> str:
    """Give the tag of a keyword that is known to exist."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return f"{tag:08X}"


def tags_of(keywords: Sequence[str]) -> tuple[str, ...]:
    """Give the tags of keywords that are known to exist."""
    return tuple(tag_of(keyword) for keyword in keywords)
