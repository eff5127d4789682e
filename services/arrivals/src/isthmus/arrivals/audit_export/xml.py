"""Records as audit messages (PS3.15 A.5.1, the schema, and A.5.3, what each event has)."""

import base64
import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from isthmus.arrivals.audit_export import codes
from isthmus.arrivals.audit_export.codes import Code
from isthmus.common.messages.audit import AuditEvent, AuditRecord

_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that cannot stand in XML 1.0 (2.2), not even as a reference."""
_PERSON: Final = "1"
_SYSTEM: Final = "2"
"""ParticipantObjectTypeCode."""
_PATIENT: Final = "1"
_REPORT: Final = "3"
_SECURITY_RESOURCE: Final = "13"
"""ParticipantObjectTypeCodeRole."""
_PROCESS: Final = "4"
"""AuditSourceTypeCode: a process of an application server."""
_SENT: Final = frozenset({AuditEvent.BEGIN_TRANSFERRING, AuditEvent.INSTANCES_TRANSFERRED})
_OF_STUDIES: Final = frozenset(
    {
        *_SENT,
        AuditEvent.INSTANCES_ACCESSED,
        AuditEvent.STUDY_DELETED,
        AuditEvent.EXPORT,
        AuditEvent.PROCEDURE_RECORD,
    }
)
_STORES: Final = frozenset({"C-STORE", "POST"})
UNKNOWN: Final = "unknown"
"""In the place of an identifier that has to be there and is not known."""


def audit_message(record: AuditRecord, source: str) -> bytes:
    """Write a record as XML, in UTF-8 and without a declaration.

    Args:
        record: what happened.
        source: what the installation calls itself (AuditSourceID).
    """
    message = Element("AuditMessage")
    _event(message, record)
    for user, role, is_requestor, address in _participants(record, source):
        _participant(message, user, role, is_requestor=is_requestor, address=address)
    origin = SubElement(message, "AuditSourceIdentification", AuditSourceID=_token(source))
    SubElement(origin, "AuditSourceTypeCode", {"csd-code": _PROCESS})
    _objects(message, record)
    written: bytes = tostring(message, encoding="utf-8", xml_declaration=False)
    return written


def _event(message: Element, record: AuditRecord) -> None:
    event = SubElement(
        message,
        "EventIdentification",
        EventActionCode=record.action_code,
        EventDateTime=record.time,
        EventOutcomeIndicator=codes.OUTCOMES[record.outcome],
    )
    _coded(event, "EventID", codes.EVENTS[record.event])
    if record.event_type is not None:
        _coded(event, "EventTypeCode", codes.TYPES[record.event_type])
    elif record.action:
        # What DICOM has no code for: which transaction it was, in its own words.
        _coded(event, "EventTypeCode", Code(record.action, record.action, "isthmus"))
    if record.reason:
        SubElement(event, "EventOutcomeDescription").text = _text(record.reason)


def _participants(record: AuditRecord, source: str) -> Iterator[tuple[str, Code | None, bool, str]]:
    """Give who took part: user ID, role, whether he asked, and his address (PS3.15 A.5.3)."""
    client, us = record.who or UNKNOWN, record.called_ae_title or f"{source}/{record.service}"
    stores = record.action in _STORES
    match record.event:
        case AuditEvent.APPLICATION_ACTIVITY:
            yield us, codes.APPLICATION, False, ""
            yield client, codes.LAUNCHER, True, record.address
        case AuditEvent.QUERY:
            yield client, codes.SOURCE, True, record.address
            yield record.origin or us, codes.DESTINATION, False, ""
        case AuditEvent.BEGIN_TRANSFERRING | AuditEvent.INSTANCES_TRANSFERRED if stores:
            yield client, codes.SOURCE, True, record.address
            yield us, codes.DESTINATION, False, ""
        case AuditEvent.BEGIN_TRANSFERRING | AuditEvent.INSTANCES_TRANSFERRED:
            yield us, codes.SOURCE, False, ""
            goes_elsewhere = record.destination not in ("", record.calling_ae_title)
            if goes_elsewhere:
                yield record.destination, codes.DESTINATION, False, ""
            yield client, None if goes_elsewhere else codes.DESTINATION, True, record.address
        case AuditEvent.EXPORT:
            yield us, codes.SOURCE, True, ""
            yield record.destination or UNKNOWN, codes.DESTINATION, False, ""
        case AuditEvent.SECURITY_ALERT:
            yield us, None, False, ""
            yield client, None, False, record.address
        case _:
            yield client, None, True, record.address
            yield us, None, False, ""


def _participant(message: Element, user: str, role: Code | None, *, is_requestor: bool, address: str) -> None:
    attributes = {"UserID": _text(user), "UserIsRequestor": str(is_requestor).lower()}
    if address:
        attributes["NetworkAccessPointID"] = _token(address)
        attributes["NetworkAccessPointTypeCode"] = "2" if _is_ip(address) else "1"
    participant = SubElement(message, "ActiveParticipant", attributes)
    if role is not None:
        _coded(participant, "RoleIDCode", role)


def _objects(message: Element, record: AuditRecord) -> None:
    if record.event in _OF_STUDIES:
        for study in record.studies or (UNKNOWN,):
            its = _object(message, study, _REPORT, codes.STUDY_INSTANCE_UID, name="Study")
            _description(its, record)
    elif record.event is AuditEvent.QUERY:
        _query(message, record)
    elif record.event is AuditEvent.AUDIT_LOG_USED:
        log = record.resource or "dicom.audit"
        _object(message, log, _SECURITY_RESOURCE, codes.URI, name="Security Audit Log")
    elif record.event is AuditEvent.SECURITY_ALERT and record.resource:
        alert = _object(message, record.resource, _SECURITY_RESOURCE, codes.URI, name=record.action)
        _detail(alert, "Alert Description", record.reason or record.action)
    for patient in record.patients or ((UNKNOWN,) if record.event in _OF_STUDIES else ()):
        _object(message, patient, _PATIENT, codes.PATIENT_NUMBER, name=UNKNOWN, kind=_PERSON)


def _query(message: Element, record: AuditRecord) -> None:
    """Write what was searched for: of DIMSE as it came, else the query of the URL (A.5.3.10)."""
    is_dimse = bool(record.sop_class_uid)
    identifier = record.sop_class_uid if is_dimse else record.resource or UNKNOWN
    code = codes.SOP_CLASS_UID if is_dimse else codes.URI
    asked = _object(message, identifier, _REPORT, code, query=record.identifier or record.query.encode())
    if is_dimse:
        _detail(asked, "TransferSyntax", record.transfer_syntax_uid)


def _object(
    message: Element,
    identifier: str,
    role: str,
    code: Code,
    *,
    name: str = "",
    query: bytes | None = None,
    kind: str = _SYSTEM,
) -> Element:
    attributes = {
        "ParticipantObjectID": _token(identifier),
        "ParticipantObjectTypeCode": kind,
        "ParticipantObjectTypeCodeRole": role,
    }
    element = SubElement(message, "ParticipantObjectIdentification", attributes)
    _coded(element, "ParticipantObjectIDTypeCode", code)
    if query is None:
        SubElement(element, "ParticipantObjectName").text = _token(name) or UNKNOWN
    else:
        SubElement(element, "ParticipantObjectQuery").text = base64.b64encode(query).decode()
    return element


def _description(element: Element, record: AuditRecord) -> None:
    """Say which instance it was, or how many; of which SOP classes is not known here."""
    if record.series:
        _detail(element, "Series Instance UID", record.series)
    if record.instance:
        _detail(element, "SOP Instance UID", record.instance)
    if record.instances is not None:
        _detail(element, "Number of Instances", str(record.instances))


def _detail(element: Element, kind: str, value: str) -> None:
    encoded = base64.b64encode(value.encode("utf-8", "replace")).decode()
    SubElement(element, "ParticipantObjectDetail", type=kind, value=encoded)


def _coded(element: Element, name: str, code: Code) -> None:
    attributes = {
        "csd-code": _token(code.value),
        "codeSystemName": code.scheme,
        "displayName": _token(code.meaning),
        "originalText": _token(code.meaning),
    }
    SubElement(element, name, attributes)


def _text(value: str) -> str:
    return _NO_XML.sub("\ufffd", value)


def _token(value: str) -> str:
    """Write what XML Schema calls a token: without line breaks, and with single blanks."""
    return " ".join(_text(value).split())


def _is_ip(address: str) -> bool:
    try:
        ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return True
