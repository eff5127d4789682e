"""Who did what with which study, from where, and whether he might: records for the stream AUDIT.

They have what audit messages of DICOM have (PS3.15 A.5), whose event identifiers and codes these are. They
name patients, studies and users: that is what they are for. So they stand in that stream and in what is made
of it, and never in logs, traces or errors.
"""

from dataclasses import dataclass
from enum import StrEnum


class AuditEvent(StrEnum):
    """What happened (PS3.16 CID 400, Audit Event ID); the values are tokens of subjects."""

    APPLICATION_ACTIVITY = "application-activity"
    """The system was started (A.5.3.1)."""
    AUDIT_LOG_USED = "audit-log-used"
    """Somebody read these records (A.5.3.2)."""
    BEGIN_TRANSFERRING = "begin-transferring"
    """Instances are about to go to somebody, or to come from him (A.5.3.3)."""
    EXPORT = "export"
    """Something left for a receiver that the settings name (A.5.3.5)."""
    INSTANCES_ACCESSED = "instances-accessed"
    """Parts of a study were read, or instances are about to be deleted (A.5.3.6)."""
    INSTANCES_TRANSFERRED = "instances-transferred"
    """Instances went to somebody, or came from him (A.5.3.7)."""
    STUDY_DELETED = "study-deleted"
    """A whole study was deleted (A.5.3.8)."""
    PROCEDURE_RECORD = "procedure-record"
    """A modality told of a procedure step, or of the availability of its instances (A.5.3.14)."""
    QUERY = "query"
    """Somebody searched (A.5.3.10)."""
    SECURITY_ALERT = "security-alert"
    """Something was refused, or what protects the system was changed (A.5.3.11)."""
    USER_AUTHENTICATION = "user-authentication"
    """Somebody said who he is (A.5.3.12)."""


class AuditType(StrEnum):
    """What of it in particular (PS3.16 CID 401 and 403)."""

    APPLICATION_START = "application-start"
    LOGIN = "login"
    NODE_AUTHENTICATION = "node-authentication"
    SECURITY_CONFIGURATION = "security-configuration"
    USE_OF_RESTRICTED_FUNCTION = "use-of-restricted-function"
    OBJECT_SECURITY_ATTRIBUTES_CHANGED = "object-security-attributes-changed"
    USER_SECURITY_ATTRIBUTES_CHANGED = "user-security-attributes-changed"


class ActionCode(StrEnum):
    """What was done with what it was about (PS3.15 A.5.2, EventActionCode)."""

    CREATE = "C"
    READ = "R"
    UPDATE = "U"
    DELETE = "D"
    EXECUTE = "E"


class Outcome(StrEnum):
    """What became of it."""

    ACCEPTED = "accepted"
    """It was done."""
    REFUSED = "refused"
    """Nobody may do it, or not he."""
    FAILED = "failed"
    """It could not be done, or not to the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """Something that happened. What has no value is not known, or there is no such thing."""

    time: str
    """RFC 3339, UTC: when it was decided, or over."""
    service: str
    """Which of our services tells it."""
    action: str
    """What was wanted, in the words of its protocol: `association`, `C-STORE`, `GET`, `isthmus key`."""
    outcome: Outcome
    event: AuditEvent = AuditEvent.USER_AUTHENTICATION
    event_type: AuditType | None = None
    action_code: ActionCode = ActionCode.EXECUTE
    reason: str = ""
    """Why it was refused, or failed; with a change, what was changed."""
    kind: str = ""
    """By what he is known who asked: a `Kind` of `isthmus.common.auth`."""
    name: str = ""
    """The user, the name of the key, the subject of the certificate, the AE title, the id of the link."""
    address: str = ""
    """The IP address that it came from."""
    certificate: str = ""
    """The subject of the client certificate (RFC 4514)."""
    calling_ae_title: str = ""
    called_ae_title: str = ""
    origin: str = ""
    """The origin that it is about; `all` for all of them as one."""
    studies: tuple[str, ...] = ()
    """Study Instance UIDs."""
    series: str = ""
    """Series Instance UID, of what is about one series, or one instance."""
    instance: str = ""
    """SOP Instance UID, of what is about one instance."""
    patients: tuple[str, ...] = ()
    """Patient IDs, as far as they were known without asking an origin."""
    instances: int | None = None
    """How many went or came."""
    resource: str = ""
    """The path of the URL, without its query; or what else it is that was asked for."""
    query: str = ""
    """What was searched for: the query of the URL, or the keys of the Identifier, for people."""
    identifier: bytes = b""
    """The Identifier of a C-FIND as it came."""
    sop_class_uid: str = ""
    """Of a DIMSE query."""
    transfer_syntax_uid: str = ""
    """In which the Identifier is encoded."""
    destination: str = ""
    """Where it went: the Move Destination, the origin, the webhook."""
    trace_id: str = ""
    """The trace in which all of it is (`isthmus trace`)."""

    @property
    def who(self) -> str:
        """Who asked, as limits and logs call him: `key:ai`, `user:alice`, `ae-title:CT1`."""
        name = self.name or self.calling_ae_title or self.address
        return f"{self.kind}:{name}" if self.kind else name
