"""What is negotiated for queries beyond their presentation contexts (PS3.4 C.5.1.1): relational and fuzzy."""

from collections.abc import Mapping
from typing import Final

from pydicom.uid import UID
from pynetdicom.association import Association

from isthmus.scp.models import Model

_RELATIONAL: Final = 0
_FUZZY: Final = 2
"""Bytes of the Service-class-application-information (PS3.4 Table C.5-2); the one between is about combining
dates with times in ranges, which nobody does here."""
_SUPPORTED: Final = frozenset({_RELATIONAL, _FUZZY})
_LONGEST: Final = 3
"""Bytes of an answer: of what is asked behind them, we do nothing."""


def is_fuzzy(association: Association, sop_class_uid: str) -> bool:
    """Tell whether we agreed to match person names by what they sound and look like (PS3.4 C.2.2.2.1.1)."""
    return _has(association.acceptor.sop_class_extended.get(UID(sop_class_uid), b""), _FUZZY)


def agreed(asked: Mapping[UID, bytes]) -> dict[UID, bytes]:
    """Answer what a client asks for, by SOP class: of as many bytes those that we support."""
    return {
        sop_class_uid: bytes(
            int(number in _SUPPORTED and _has(information, number))
            for number in range(min(len(information), _LONGEST))
        )
        for sop_class_uid, information in asked.items()
        if information and any(sop_class_uid == model.find for model in Model)
    }


def _has(information: bytes, number: int) -> bool:
    return information[number : number + 1] == b"\1"
