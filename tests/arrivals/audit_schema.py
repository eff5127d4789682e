"""The schema of audit messages (PS3.15 A.5.1.1), written down again as rules of what may stand where."""

import base64
import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element, fromstring

_CODED = {"csd-code": "token", "codeSystemName": "token", "displayName": "token?", "originalText": "token"}
_ATTRIBUTES: Mapping[str, Mapping[str, str]] = {
    "AuditMessage": {},
    "EventIdentification": {
        "EventActionCode": "[CRUDE]?",
        "EventDateTime": "dateTime",
        "EventOutcomeIndicator": "0|4|8|12",
    },
    "EventID": _CODED,
    "EventTypeCode": _CODED,
    "EventOutcomeDescription": {},
    "ActiveParticipant": {
        "UserID": "text",
        "AlternativeUserID": "text?",
        "UserName": "text?",
        "UserIsRequestor": "true|false|0|1",
        "NetworkAccessPointID": "token?",
        "NetworkAccessPointTypeCode": "[12345]?",
    },
    "RoleIDCode": _CODED,
    "AuditSourceIdentification": {"AuditEnterpriseSiteID": "token?", "AuditSourceID": "token"},
    "AuditSourceTypeCode": {"csd-code": "token"},
    "ParticipantObjectIdentification": {
        "ParticipantObjectID": "token",
        "ParticipantObjectTypeCode": "[1234]?",
        "ParticipantObjectTypeCodeRole": r"([1-9]|1\d|2[0-6])?",
        "ParticipantObjectDataLifeCycle": r"([1-9]|1[0-5])?",
        "ParticipantObjectSensitivity": "token?",
    },
    "ParticipantObjectIDTypeCode": _CODED,
    "ParticipantObjectName": {},
    "ParticipantObjectQuery": {},
    "ParticipantObjectDetail": {"type": "token", "value": "base64"},
}
_CHILDREN = {
    "AuditMessage": (
        "EventIdentification (ActiveParticipant )+AuditSourceIdentification "
        "(ParticipantObjectIdentification )*"
    ),
    "EventIdentification": "EventID (EventTypeCode )*(EventOutcomeDescription )?",
    "ActiveParticipant": "(RoleIDCode )*",
    "AuditSourceIdentification": "(AuditSourceTypeCode )*",
    "ParticipantObjectIdentification": (
        "ParticipantObjectIDTypeCode (ParticipantObjectName |ParticipantObjectQuery )"
        "(ParticipantObjectDetail )*"
    ),
}
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")


def valid(message: bytes) -> Element:
    """Give an audit message as an element, if it is one by the schema."""
    root = fromstring(message)
    assert root.tag == "AuditMessage"
    for element in root.iter():
        _check_attributes(element)
        children = "".join(f"{child.tag} " for child in element)
        assert re.fullmatch(_CHILDREN.get(element.tag, ""), children), f"{element.tag}: {children}"
        text = element.text or ""
        if element.tag == "ParticipantObjectQuery":
            base64.b64decode(text, validate=True)
        elif element.tag == "ParticipantObjectName":
            assert _is(text, "token")
        elif element.tag != "EventOutcomeDescription":
            assert not text
    return root


def _check_attributes(element: Element) -> None:
    rules = _ATTRIBUTES[element.tag]
    assert {*element.keys()} <= rules.keys(), element.keys()
    for name, rule in rules.items():
        value = element.get(name)
        if value is None:
            assert rule.endswith("?"), f"{element.tag} has no {name}"
        else:
            assert _is(value, rule), f"{element.tag} {name}={value!r}"


def _is(value: str, rule: str) -> bool:
    match rule.removesuffix("?"):
        case "text":
            return True
        case "token":
            return value == " ".join(value.split())
        case "dateTime":
            return bool(_DATE_TIME.fullmatch(value))
        case "base64":
            return base64.b64encode(base64.b64decode(value, validate=True)).decode() == value
        case expression:
            return bool(re.fullmatch(expression, value))
