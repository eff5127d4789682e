"""What the DIMSE statuses mean (PS3.7 Annex C; PS3.4 B.2.3, C.4.1.1.4, C.4.2.1.5 and C.4.3.1.4)."""

from typing import Final

_MEANINGS: Final = {
    0x0000: "Success",
    0x0001: "Requested optional Attributes are not supported",
    0x0105: "No such Attribute",
    0x0106: "Invalid Attribute value",
    0x0107: "Attribute list error",
    0x0110: "Processing failure",
    0x0111: "Duplicate SOP Instance",
    0x0112: "No such SOP Instance",
    0x0113: "No such Event Type",
    0x0114: "No such argument",
    0x0115: "Invalid argument value",
    0x0116: "Attribute value out of range",
    0x0117: "Invalid SOP Instance",
    0x0118: "No such SOP Class",
    0x0119: "Class-Instance conflict",
    0x0120: "Missing Attribute",
    0x0121: "Missing Attribute value",
    0x0122: "SOP Class not supported",
    0x0123: "No such Action Type",
    0x0124: "Refused: not authorized",
    0x0210: "Duplicate invocation",
    0x0211: "Unrecognized operation",
    0x0212: "Mistyped argument",
    0x0213: "Resource limitation",
    0xA700: "Refused: out of resources",
    0xA701: "Refused: out of resources, unable to calculate the number of matches",
    0xA702: "Refused: out of resources, unable to perform sub-operations",
    0xA801: "Refused: Move Destination unknown",
    0xA900: "Data Set or Identifier does not match SOP Class",
    0xB000: "Coercion of Data Elements, or failures of sub-operations",
    0xB006: "Elements discarded",
    0xB007: "Data Set does not match SOP Class",
    0xC122: "Transfer Syntax not supported",
    0xFE00: "Cancelled",
    0xFF00: "Pending",
    0xFF01: "Pending: optional keys are not supported",
}

# By the first hexadecimal digits, where the standard leaves the others to the implementation.
_CLASSES: Final = {
    0xA7: "Refused: out of resources",
    0xA9: "Data Set or Identifier does not match SOP Class",
    0xB: "Warning",
    0xC: "Unable to process",
}


def meaning(status: int) -> str:
    """Say in words what a DIMSE status means; "Failure" for one that no table has."""
    return _MEANINGS.get(status) or _CLASSES.get(status >> 8) or _CLASSES.get(status >> 12) or "Failure"
