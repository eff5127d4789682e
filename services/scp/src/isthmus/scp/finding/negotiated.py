"""What is negotiated for queries beyond their presentation contexts (PS3.4 C.5.1.1): relational and fuzzy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

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


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What a client and we agreed on."""

    relational: bool = False
    """Keys of the levels above need not be UIDs (PS3.4 C.4.1.2.2.2, C.4.1.3.2.2)."""
    fuzzy: bool = False
    """Person names match by what they sound and look like (PS3.4 C.2.2.2.1.1)."""

    @classmethod
    def of(cls, association: Association, sop_class_uid: str) -> Self:
        """Tell what we agreed to."""
        said = association.acceptor.sop_class_extended.get(UID(sop_class_uid), b"")
        return cls(_has(said, _RELATIONAL), _has(said, _FUZZY))


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
