"""UIDs: our own, and the grammar of those that clients and origins use."""

import re
from typing import Final, NewType

from isthmus.common.errors import InvalidParameter

StudyUID = NewType("StudyUID", str)
SeriesUID = NewType("SeriesUID", str)
InstanceUID = NewType("InstanceUID", str)

IMPLEMENTATION_CLASS_UID: Final = "2.25.300562912045273213386318927150562178041"
"""Who writes our file meta information and asks for our associations (PS3.7 D.3.3.2)."""
IMPLEMENTATION_VERSION_NAME: Final = "ISTHMUS_0_1"

LONGEST_UID: Final = 64
"""PS3.5 9.1; what origins hold may be longer, and some cut it."""

_GRAMMAR: Final = re.compile(r"[0-9A-Za-z._-]{1,128}")


def check_uid(value: str, parameter: str) -> str:
    """Give the UID back if it is one: 1 to 128 characters of `[0-9A-Za-z._-]`.

    That is wider than PS3.5 9.1, because real PACS hold worse; `.` and `..` mean something in paths and are
    refused.

    Raises:
        InvalidParameter: it is none; names the parameter.
    """
    if not _GRAMMAR.fullmatch(value) or value in (".", ".."):
        raise InvalidParameter(parameter, "is no UID: 1 to 128 characters of 0-9 A-Z a-z . _ -")
    return value
