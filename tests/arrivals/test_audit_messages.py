"""Records as audit messages: by the schema, and with what PS3.15 A.5.3 has of each event."""

import base64
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.arrivals.audit_export.xml import audit_message
from isthmus.common.messages.audit import ActionCode, AuditEvent, AuditRecord, AuditType, Outcome
from tests.arrivals.audit_schema import valid

TIME = "2026-01-02T03:04:05.678Z"
SOURCE_ROLE, DESTINATION_ROLE = "110153", "110152"
OF_STUDIES = [
    AuditEvent.BEGIN_TRANSFERRING,
    AuditEvent.INSTANCES_TRANSFERRED,
    AuditEvent.INSTANCES_ACCESSED,
    AuditEvent.STUDY_DELETED,
    AuditEvent.EXPORT,
    AuditEvent.PROCEDURE_RECORD,
]


def record(event: AuditEvent, **known: object) -> AuditRecord:
    given = {"time": TIME, "service": "wado", "action": "GET", "outcome": Outcome.ACCEPTED, "event": event}
    return AuditRecord(**{**given, **known})  # type: ignore[arg-type]  # the fields are the test's own


def written(event: AuditEvent, **known: object) -> Element:
    return valid(audit_message(record(event, **known), "hospital"))


def participants(message: Element) -> list[tuple[str, str, list[str]]]:
    """User ID, whether it is the requestor, and its roles."""
    return [
        (
            one.attrib["UserID"],
            one.attrib["UserIsRequestor"],
            [role.attrib["csd-code"] for role in one.iter("RoleIDCode")],
        )
        for one in message.iter("ActiveParticipant")
    ]


def objects(message: Element) -> list[tuple[str, str, str, str]]:
    """Type, role, code of the kind of id, and id."""
    return [
        (
            one.attrib["ParticipantObjectTypeCode"],
            one.attrib["ParticipantObjectTypeCodeRole"],
            next(one.iter("ParticipantObjectIDTypeCode")).attrib["csd-code"],
            one.attrib["ParticipantObjectID"],
        )
        for one in message.iter("ParticipantObjectIdentification")
    ]


anything = st.text(st.characters(exclude_categories=()), max_size=20)


@given(
    st.builds(
        AuditRecord,
        time=st.just(TIME),
        service=st.just("wado"),
        action=anything,
        outcome=st.sampled_from(Outcome),
        event=st.sampled_from(AuditEvent),
        event_type=st.none() | st.sampled_from(AuditType),
        action_code=st.sampled_from(ActionCode),
        reason=anything,
        kind=st.sampled_from(["", "user"]),
        name=anything,
        address=st.sampled_from(["", "10.1.0.7", "::1", "fe80::1%eth0", "a name"]),
        calling_ae_title=anything,
        called_ae_title=anything,
        origin=anything,
        studies=st.lists(anything, max_size=2).map(tuple),
        patients=st.lists(anything, max_size=2).map(tuple),
        series=anything,
        instance=anything,
        instances=st.none() | st.integers(0, 10**6),
        resource=anything,
        query=anything.filter(lambda text: text.isprintable()),
        identifier=st.binary(max_size=20),
        sop_class_uid=st.sampled_from(["", "1.2.840.10008.5.1.4.1.2.2.1"]),
        transfer_syntax_uid=st.just("1.2.840.10008.1.2"),
        destination=anything,
    )
)
def test_whatever_a_record_says_the_message_is_by_the_schema(one: AuditRecord) -> None:
    valid(audit_message(one, "hospital"))


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (AuditEvent.APPLICATION_ACTIVITY, "110100"),
        (AuditEvent.AUDIT_LOG_USED, "110101"),
        (AuditEvent.BEGIN_TRANSFERRING, "110102"),
        (AuditEvent.INSTANCES_ACCESSED, "110103"),
        (AuditEvent.INSTANCES_TRANSFERRED, "110104"),
        (AuditEvent.STUDY_DELETED, "110105"),
        (AuditEvent.EXPORT, "110106"),
        (AuditEvent.PROCEDURE_RECORD, "110111"),
        (AuditEvent.QUERY, "110112"),
        (AuditEvent.SECURITY_ALERT, "110113"),
        (AuditEvent.USER_AUTHENTICATION, "110114"),
    ],
)
def test_each_event_has_its_identifier(event: AuditEvent, code: str) -> None:
    (identifier,) = written(event).iter("EventID")
    assert (identifier.attrib["csd-code"], identifier.attrib["codeSystemName"]) == (code, "DCM")


@pytest.mark.parametrize(
    ("outcome", "indicator"), [(Outcome.ACCEPTED, "0"), (Outcome.REFUSED, "4"), (Outcome.FAILED, "8")]
)
def test_each_outcome_has_its_indicator(outcome: Outcome, indicator: str) -> None:
    message = written(AuditEvent.QUERY, outcome=outcome, reason="HTTP 403", action_code=ActionCode.EXECUTE)
    (event,) = message.iter("EventIdentification")
    assert event.attrib == {
        "EventActionCode": "E",
        "EventDateTime": TIME,
        "EventOutcomeIndicator": indicator,
    }
    assert event.findtext("EventOutcomeDescription") == "HTTP 403"


@pytest.mark.parametrize("event", OF_STUDIES)
def test_what_is_about_studies_names_them_and_the_patient(event: AuditEvent) -> None:
    message = written(event, studies=("1.2.3",), patients=("P-17",), instance="1.2.3.4", instances=7)
    assert objects(message) == [("2", "3", "110180", "1.2.3"), ("1", "1", "2", "P-17")]
    details = {
        one.attrib["type"]: base64.b64decode(one.attrib["value"]).decode()
        for one in message.iter("ParticipantObjectDetail")
    }
    assert details == {"SOP Instance UID": "1.2.3.4", "Number of Instances": "7"}


@pytest.mark.parametrize("event", OF_STUDIES)
def test_and_says_so_where_they_are_not_known(event: AuditEvent) -> None:
    assert objects(written(event)) == [("2", "3", "110180", "unknown"), ("1", "1", "2", "unknown")]


def test_what_is_read_goes_from_us_to_who_asked() -> None:
    known = {"kind": "user", "name": "alice", "address": "10.1.0.7"}
    message = written(AuditEvent.INSTANCES_TRANSFERRED, **known)
    assert participants(message) == [
        ("hospital/wado", "false", [SOURCE_ROLE]),
        ("user:alice", "true", [DESTINATION_ROLE]),
    ]
    client = [*message.iter("ActiveParticipant")][1]
    assert client.attrib["NetworkAccessPointID"] == "10.1.0.7"
    assert client.attrib["NetworkAccessPointTypeCode"] == "2"


def test_what_is_moved_goes_to_its_destination() -> None:
    titles = {"calling_ae_title": "READER", "called_ae_title": "INBOX", "kind": "ae-title"}
    message = written(AuditEvent.BEGIN_TRANSFERRING, action="C-MOVE", destination="STORE", **titles)
    assert participants(message) == [
        ("INBOX", "false", [SOURCE_ROLE]),
        ("STORE", "false", [DESTINATION_ROLE]),
        ("ae-title:READER", "true", []),
    ]


@pytest.mark.parametrize("action", ["C-STORE", "POST"])
def test_what_is_stored_goes_from_who_asked_to_us(action: str) -> None:
    message = written(AuditEvent.INSTANCES_TRANSFERRED, action=action, kind="key", name="ct1")
    assert participants(message) == [
        ("key:ct1", "true", [SOURCE_ROLE]),
        ("hospital/wado", "false", [DESTINATION_ROLE]),
    ]


def test_a_query_of_dimse_is_there_as_it_came() -> None:
    message = written(
        AuditEvent.QUERY,
        origin="pacs",
        query="PatientID=P-17",
        identifier=b"\x10\x00\x20\x00LO",
        sop_class_uid="1.2.840.10008.5.1.4.1.2.2.1",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
    )
    assert objects(message)[0] == ("2", "3", "110181", "1.2.840.10008.5.1.4.1.2.2.1")
    (query,) = message.iter("ParticipantObjectQuery")
    assert base64.b64decode(query.text or "") == b"\x10\x00\x20\x00LO"
    (syntax,) = message.iter("ParticipantObjectDetail")
    assert syntax.attrib["type"] == "TransferSyntax"
    assert base64.b64decode(syntax.attrib["value"]) == b"1.2.840.10008.1.2.1"


def test_one_of_http_is_that_of_the_url() -> None:
    message = written(AuditEvent.QUERY, resource="/aets/pacs/studies", query="PatientID=P-17")
    assert objects(message)[0] == ("2", "3", "12", "/aets/pacs/studies")
    (query,) = message.iter("ParticipantObjectQuery")
    assert base64.b64decode(query.text or "") == b"PatientID=P-17"


def test_an_alert_says_of_what_it_is() -> None:
    message = written(
        AuditEvent.SECURITY_ALERT,
        outcome=Outcome.REFUSED,
        event_type=AuditType.USE_OF_RESTRICTED_FUNCTION,
        resource="/aets/pacs/studies/1.2",
        reason="HTTP 403",
    )
    assert next(message.iter("EventTypeCode")).attrib["csd-code"] == "110132"
    assert objects(message) == [("2", "13", "12", "/aets/pacs/studies/1.2")]
    (detail,) = message.iter("ParticipantObjectDetail")
    assert detail.attrib["type"] == "Alert Description"


def test_the_schema_refuses_what_is_none() -> None:
    message = audit_message(record(AuditEvent.QUERY), "hospital")
    for wrong in (
        message.replace(b"EventOutcomeIndicator", b"EventOutcome"),
        message.replace(b'EventActionCode="E"', b'EventActionCode="X"'),
        message.replace(b"<ActiveParticipant", b"<Participant").replace(b"/ActiveP", b"/P"),
        message.replace(b'AuditSourceID="hospital"', b""),
        message.replace(TIME.encode(), b"yesterday"),
    ):
        with pytest.raises((AssertionError, KeyError)):
            valid(wrong)
