"""The DIMSE statuses, and what they mean (PS3.7 Annex C; PS3.4 B.2.3, C.4.1.1.4, C.4.2.1.5 and C.4.3.1.4)."""

from typing import Final

LONGEST_COMMENT: Final = 64
"""Characters of an LO value (PS3.5 6.2)."""
WARNINGS: Final = frozenset({0x0001, 0x0107, 0x0116})
"""Of PS3.7 Annex C; those of the Storage Service Class (PS3.4 B.2.3) are Bxxx."""

SUCCESS: Final = 0x0000
INVALID_ATTRIBUTE_VALUE: Final = 0x0106
PROCESSING_FAILURE: Final = 0x0110
DUPLICATE_SOP_INSTANCE: Final = 0x0111
NO_SUCH_SOP_INSTANCE: Final = 0x0112
INVALID_ARGUMENT_VALUE: Final = 0x0115
INVALID_SOP_INSTANCE: Final = 0x0117
NO_SUCH_SOP_CLASS: Final = 0x0118
CLASS_INSTANCE_CONFLICT: Final = 0x0119
MISSING_ATTRIBUTE: Final = 0x0120
MISSING_ATTRIBUTE_VALUE: Final = 0x0121
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
NO_SUCH_ACTION_TYPE: Final = 0x0123
NOT_AUTHORIZED: Final = 0x0124
UNRECOGNIZED_OPERATION: Final = 0x0211
MISTYPED_ARGUMENT: Final = 0x0212
RESOURCE_LIMITATION: Final = 0x0213
OUT_OF_RESOURCES: Final = 0xA700
OUT_OF_RESOURCES_SUB_OPERATIONS: Final = 0xA702
MOVE_DESTINATION_UNKNOWN: Final = 0xA801
DATA_SET_MISMATCH: Final = 0xA900
SUB_OPERATIONS_FAILED: Final = 0xB000
UNABLE_TO_PROCESS: Final = 0xC000
TRANSFER_SYNTAX_NOT_SUPPORTED: Final = 0xC122
CANCELLED: Final = 0xFE00
PENDING: Final = 0xFF00
PENDING_WITHOUT_OPTIONAL_KEYS: Final = 0xFF01

_MEANINGS: Final = {
    SUCCESS: "Success",
    0x0001: "Requested optional Attributes are not supported",
    0x0105: "No such Attribute",
    INVALID_ATTRIBUTE_VALUE: "Invalid Attribute value",
    0x0107: "Attribute list error",
    PROCESSING_FAILURE: "Processing failure",
    DUPLICATE_SOP_INSTANCE: "Duplicate SOP Instance",
    NO_SUCH_SOP_INSTANCE: "No such SOP Instance",
    0x0113: "No such Event Type",
    0x0114: "No such argument",
    INVALID_ARGUMENT_VALUE: "Invalid argument value",
    0x0116: "Attribute value out of range",
    INVALID_SOP_INSTANCE: "Invalid SOP Instance",
    NO_SUCH_SOP_CLASS: "No such SOP Class",
    CLASS_INSTANCE_CONFLICT: "Class-Instance conflict",
    MISSING_ATTRIBUTE: "Missing Attribute",
    MISSING_ATTRIBUTE_VALUE: "Missing Attribute value",
    SOP_CLASS_NOT_SUPPORTED: "SOP Class not supported",
    NO_SUCH_ACTION_TYPE: "No such Action Type",
    NOT_AUTHORIZED: "Refused: not authorized",
    0x0210: "Duplicate invocation",
    UNRECOGNIZED_OPERATION: "Unrecognized operation",
    MISTYPED_ARGUMENT: "Mistyped argument",
    RESOURCE_LIMITATION: "Resource limitation",
    OUT_OF_RESOURCES: "Refused: out of resources",
    0xA701: "Refused: out of resources, unable to calculate the number of matches",
    OUT_OF_RESOURCES_SUB_OPERATIONS: "Refused: out of resources, unable to perform sub-operations",
    MOVE_DESTINATION_UNKNOWN: "Refused: Move Destination unknown",
    DATA_SET_MISMATCH: "Data Set or Identifier does not match SOP Class",
    SUB_OPERATIONS_FAILED: "Coercion of Data Elements, or failures of sub-operations",
    0xB006: "Elements discarded",
    0xB007: "Data Set does not match SOP Class",
    TRANSFER_SYNTAX_NOT_SUPPORTED: "Transfer Syntax not supported",
    CANCELLED: "Cancelled",
    PENDING: "Pending",
    PENDING_WITHOUT_OPTIONAL_KEYS: "Pending: optional keys are not supported",
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


def as_attribute(status: int) -> str:
    """Give a DIMSE status as spans and metrics have it."""
    return f"0x{status:04X}"


def error_comment(reason: str) -> str:
    """Give as much of a reason as an Error Comment (0000,0902), which is an LO, has room for."""
    return reason[:LONGEST_COMMENT]
