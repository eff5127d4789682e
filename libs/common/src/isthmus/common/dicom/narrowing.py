"""What of a matching key an origin is sent: what narrows its matches, never below those that do match."""

from typing import Final

from isthmus.common.dicom.attributes import vr_of
from isthmus.common.dicom.matching import MatchingKey, Wanted
from isthmus.common.dicom.wildcards import is_universal

_BINARY: Final = frozenset({"AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"})
"""Value representations that origins do not match, and that are no text."""


def narrowing_value(key: MatchingKey, *, fuzzy: bool) -> str:
    """Give what is sent for a key that is no UID; empty (universal matching) where only we can match it.

    Only UIDs may come as a list (PS3.4 C.2.2.2.2), ranges exist for dates and times alone (C.2.2.2.5), and
    nothing was negotiated: neither fuzzy matching of names, nor that of empty values, nor that of several
    values, of which the first narrows what the origin gives.
    """
    vr = vr_of(key.path[-1])
    if key.wanted is Wanted.NOTHING or (vr == "PN" and fuzzy) or vr == "AS" or vr in _BINARY:
        return ""
    if len(key.values) != 1 and key.wanted is not Wanted.EVERY:
        return ""
    value = key.values[0]
    return "" if value == "-" or is_universal(value) else value
