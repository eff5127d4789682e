"""What records are called in audit messages (PS3.16 CID 400 to 403, PS3.15 A.5.3)."""

from dataclasses import dataclass
from typing import Final

from isthmus.common.messages.audit import AuditEvent, AuditType, Outcome


@dataclass(frozen=True, slots=True)
class Code:
    """A coded value."""

    value: str
    meaning: str
    scheme: str = "DCM"


EVENTS: Final = {
    AuditEvent.APPLICATION_ACTIVITY: Code("110100", "Application Activity"),
    AuditEvent.AUDIT_LOG_USED: Code("110101", "Audit Log Used"),
    AuditEvent.BEGIN_TRANSFERRING: Code("110102", "Begin Transferring DICOM Instances"),
    AuditEvent.INSTANCES_ACCESSED: Code("110103", "DICOM Instances Accessed"),
    AuditEvent.INSTANCES_TRANSFERRED: Code("110104", "DICOM Instances Transferred"),
    AuditEvent.STUDY_DELETED: Code("110105", "DICOM Study Deleted"),
    AuditEvent.EXPORT: Code("110106", "Export"),
    AuditEvent.PROCEDURE_RECORD: Code("110111", "Procedure Record"),
    AuditEvent.QUERY: Code("110112", "Query"),
    AuditEvent.SECURITY_ALERT: Code("110113", "Security Alert"),
    AuditEvent.USER_AUTHENTICATION: Code("110114", "User Authentication"),
}
"""Audit Event ID (CID 400)."""
TYPES: Final = {
    AuditType.APPLICATION_START: Code("110120", "Application Start"),
    AuditType.LOGIN: Code("110122", "Login"),
    AuditType.NODE_AUTHENTICATION: Code("110126", "Node Authentication"),
    AuditType.SECURITY_CONFIGURATION: Code("110129", "Security Configuration"),
    AuditType.USE_OF_RESTRICTED_FUNCTION: Code("110132", "Use of Restricted Function"),
    AuditType.OBJECT_SECURITY_ATTRIBUTES_CHANGED: Code("110135", "Object Security Attributes Changed"),
    AuditType.USER_SECURITY_ATTRIBUTES_CHANGED: Code("110137", "User Security Attributes Changed"),
}
"""Audit Event Type Code (CID 401, and CID 403 for security alerts)."""
OUTCOMES: Final = {Outcome.ACCEPTED: "0", Outcome.REFUSED: "4", Outcome.FAILED: "8"}
"""EventOutcomeIndicator: success, a minor failure (what protects held), a serious one."""

APPLICATION: Final = Code("110150", "Application")
LAUNCHER: Final = Code("110151", "Application Launcher")
DESTINATION: Final = Code("110152", "Destination Role ID")
SOURCE: Final = Code("110153", "Source Role ID")
STUDY_INSTANCE_UID: Final = Code("110180", "Study Instance UID")
SOP_CLASS_UID: Final = Code("110181", "SOP Class UID")
PATIENT_NUMBER: Final = Code("2", "Patient Number", "RFC-3881")
URI: Final = Code("12", "URI", "RFC-3881")
