"""UIDs, as data sets and origins have them."""

from pydicom.uid import UID


def can_be_proposed(uid: str) -> bool:
    """Tell whether a UID may stand in a presentation context: one that may not would spoil all the others."""
    return UID(uid, validation_mode=0).is_valid
