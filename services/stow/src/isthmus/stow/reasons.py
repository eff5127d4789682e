"""Why something is not stored: Failure Reasons (PS3.18 I.2.2), those of the standard and our own.

The standard leaves the last digits of Cxxx, "cannot understand", to whoever uses them; README.md has a table.
"""

from typing import ClassVar, Final

from isthmus.common.dicom.statuses import meaning

SUCCESS: Final = 0x0000
NO_ANSWER: Final = 0x0110
"""Processing failure: the status of an instance for which the origin gave none."""
OUT_OF_RESOURCES: Final = 0xA700
STUDY_MISMATCH: Final = 0xA901
"""The study is not the one in the URL (PS3.18 I.2.2 leaves the last two digits of A9xx to us)."""
CANNOT_UNDERSTAND: Final = 0xC000
BAD_ATTRIBUTE: Final = 0xC001
MISSING_BULKDATA: Final = 0xC002
AMBIGUOUS_BULKDATA: Final = 0xC003
BAD_PIXELS: Final = 0xC004
UNUSED_BULKDATA: Final = 0xC005
TRANSFER_SYNTAX_NOT_SUPPORTED: Final = 0xC122

OWN: Final = {
    NO_ANSWER: "Processing failure: the origin gave no answer",
    STUDY_MISMATCH: "Another study than the URL's",
    CANNOT_UNDERSTAND: "No DICOM object or metadata, or cut off",
    BAD_ATTRIBUTE: "An attribute is missing, or not what it must be",
    MISSING_BULKDATA: "No part has the bulkdata's location",
    AMBIGUOUS_BULKDATA: "Several parts have the bulkdata's location",
    BAD_PIXELS: "Pixel data cannot be read, or contradict the attributes",
    UNUSED_BULKDATA: "No metadata refer to the bulkdata",
    TRANSFER_SYNTAX_NOT_SUPPORTED: "No transfer syntax holds it, or not one that the origin takes",
}
"""What we give ourselves; every other reason is the origin's."""


class Refusal(ValueError):
    """An instance of which the metadata or the bulkdata cannot be stored; its text quotes no value."""

    status: ClassVar[int] = BAD_ATTRIBUTE


def explain(status: int) -> str:
    """Say in words of ours what a Failure Reason or a Warning Reason means."""
    return OWN.get(status) or meaning(status)
