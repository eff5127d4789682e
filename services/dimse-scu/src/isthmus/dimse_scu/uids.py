"""UIDs, as data sets and origins have them."""

from typing import Final

from pydicom.uid import UID

LONGEST_UID: Final = 64
"""PS3.5 9.1."""


def can_be_proposed(uid: str) -> bool:
    """Tell whether a UID may stand in a presentation context: one that may not would spoil all the others."""
    return UID(uid, validation_mode=0).is_valid
