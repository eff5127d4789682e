"""The information models of the Query/Retrieve service (PS3.4 C.6)."""

from enum import Enum
from typing import Final, Self

from pydicom import uid


class Model(Enum):
    """An information model: the SOP classes of its operations; its levels, from the top down."""

    PATIENT_ROOT = ("1.2.840.10008.5.1.4.1.2.1", ("PATIENT", "STUDY", "SERIES", "IMAGE"))
    STUDY_ROOT = ("1.2.840.10008.5.1.4.1.2.2", ("STUDY", "SERIES", "IMAGE"))
    PATIENT_STUDY_ONLY = ("1.2.840.10008.5.1.4.1.2.3", ("PATIENT", "STUDY"))
    """Retired; workstations from before 2004 know no other."""

    def __init__(self, prefix: str, levels: tuple[str, ...]) -> None:
        self.find = f"{prefix}.1"
        self.move = f"{prefix}.2"
        self.get = f"{prefix}.3"
        self.levels = levels
        """The values of Query/Retrieve Level (0008,0052)."""

    @classmethod
    def of(cls, sop_class_uid: str) -> Self | None:
        """Give the model of a SOP class; None where it is none of them."""
        return next((one for one in cls if sop_class_uid in (one.find, one.move, one.get)), None)


TRANSFER_SYNTAXES: Final = (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian)
"""Those of Identifiers."""
