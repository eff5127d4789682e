"""Matching of person names (PS3.4 C.2.2.2.1 and C.2.2.2.4 leave the details to the implementation).

A name has up to three component groups, `alphabetic=ideographic=phonetic`, each with up to five components
(PS3.5 6.2.1). Matching is without regard to case and to delimiters at the end. A key of one group matches
any group of a name; one of several must match each group that it does not leave empty.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

from isthmus.common.dicom.wildcards import compile_wildcards, is_universal

_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_COMPONENTS: Final = 5
_OPEN_END: Final = re.compile(r"\^\**$")
_WORDS: Final = re.compile(r"[^\W_]+")


def join_groups(name: Mapping[str, object]) -> str:
    """Write the component groups of the JSON model (PS3.18 F.2.2) as a PN value; empty for no name."""
    return "=".join(str(name.get(group) or "") for group in _GROUPS).rstrip("=")


def literal_name_test(wanted: str) -> Callable[[str], bool]:
    """Make a test that compares a PN value with a key, in which wild cards may be."""
    groups = [_group_test(group) for group in wanted.split("=")]

    def test(stored: str) -> bool:
        values = stored.split("=")
        if len(groups) == 1:
            return any(groups[0](value) for value in values)
        values += [""] * (len(groups) - len(values))
        return all(matches(value) for matches, value in zip(groups, values, strict=False))

    return test


def _group_test(wanted: str) -> Callable[[str], bool]:
    if is_universal(wanted):
        return lambda stored: True
    # "Doe^*" must find "Doe", since the delimiters of empty components at the end may be left out.
    variants = [_plain(wanted)]
    while len(variants) < _COMPONENTS and _OPEN_END.search(variants[-1]):
        variants.append(_OPEN_END.sub("", variants[-1]))
    patterns = [compile_wildcards(variant) for variant in variants]
    return lambda stored: any(pattern.fullmatch(_plain(stored)) for pattern in patterns)


def _plain(group: str) -> str:
    return unicodedata.normalize("NFC", group.casefold()).strip().rstrip("^ ")


def fuzzy_name_test(wanted: str) -> Callable[[str], bool]:
    """Make a test for fuzzy matching (PS3.18 8.3.4.2), which finds more than the literal one.

    Each word of the key begins a word of the name, in any order, without regard to case and accents.
    """
    literal = literal_name_test(wanted)
    beginnings = _words(wanted)

    def test(stored: str) -> bool:
        words = _words(stored)
        fuzzy = bool(beginnings) and all(
            any(word.startswith(beginning) for word in words) for beginning in beginnings
        )
        return fuzzy or literal(stored)

    return test


def _words(name: str) -> list[str]:
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    return _WORDS.findall("".join(one for one in decomposed if not unicodedata.combining(one)))
