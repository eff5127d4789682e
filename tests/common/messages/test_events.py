"""Events as CloudEvents 1.0 in JSON: written, read, and refused."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.errors import ContractError
from isthmus.common.messages.cloud_events import from_json, to_json
from isthmus.common.messages.events import (
    Blob,
    CloudEvent,
    EventType,
    InstanceBlob,
    InstanceEvent,
    Reason,
    SeriesCount,
    StudyEvent,
    timestamp,
)
from tests.documents.asyncapi import check

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
"""JSON has no lone surrogates."""
FILLED = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
UIDS = st.from_regex(r"[0-9A-Za-z._-]{1,64}", fullmatch=True)
DIGESTS = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
SIZES = st.integers(0, 2**53)
URLS = UIDS.map(lambda uid: f"http://127.0.0.1:8080/aets/inbox/studies/{uid}")
ORIGINS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)

NAMES = st.dictionaries(st.sampled_from(["Alphabetic", "Ideographic", "Phonetic"]), TEXTS)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
TAGS = st.from_regex(r"[0-9A-F]{8}", fullmatch=True)
VALUES = st.recursive(
    st.none() | TEXTS | NUMBERS | NAMES,
    lambda inner: st.dictionaries(
        TAGS, st.fixed_dictionaries({"vr": st.just("SQ"), "Value": st.lists(inner, max_size=2)}), max_size=2
    ),
    max_leaves=4,
)
ELEMENTS = st.fixed_dictionaries(
    {"vr": st.sampled_from(["LO", "PN", "SQ", "US", "DS"])}, optional={"Value": st.lists(VALUES, max_size=2)}
)
ATTRIBUTES: st.SearchStrategy[DicomJson] = st.dictionaries(TAGS, ELEMENTS, max_size=3)  # type: ignore[arg-type]  # their type is a TypedDict, which Hypothesis does not know

BLOBS = st.builds(Blob, FILLED, FILLED, SIZES)
INSTANCE_BLOBS = st.builds(InstanceBlob, FILLED, FILLED, SIZES, UIDS, UIDS, UIDS, UIDS, DIGESTS)
INSTANCES = st.builds(
    InstanceEvent,
    origin=ORIGINS,
    study=UIDS,
    series=UIDS,
    instance=UIDS,
    sop_class=UIDS,
    transfer_syntax=UIDS,
    digest=DIGESTS,
    blob=BLOBS,
    url=URLS,
    attributes=ATTRIBUTES,
    calling_ae_title=st.none() | FILLED,
    association=st.none() | FILLED,
    conflict=st.sampled_from([None, "newest", "first"]),
)
SERIES_COUNTS = st.builds(SeriesCount, UIDS, TEXTS, st.integers(1, 10**6), SIZES)
STUDIES = st.builds(
    StudyEvent,
    origin=ORIGINS,
    study=UIDS,
    revision=st.integers(1, 10**6),
    instances=st.integers(0, 10**6),
    size=SIZES,
    complete=st.sampled_from([True, "assumed"]),
    reason=st.sampled_from(Reason),
    url=URLS,
    series=st.lists(SERIES_COUNTS, max_size=2).map(tuple),
    modalities=st.dictionaries(TEXTS, st.integers(1, 10**6), max_size=2),
    attributes=ATTRIBUTES,
    blobs=st.lists(INSTANCE_BLOBS, max_size=2).map(tuple),
    manifest=st.none(),
    new_instances=st.integers(0, 10**6),
    conflicts=st.sampled_from([(), ("patient",), ("instance",), ("patient", "instance")]),
    calling_ae_titles=st.lists(FILLED, max_size=2).map(tuple),
) | st.builds(
    StudyEvent,
    origin=ORIGINS,
    study=UIDS,
    revision=st.integers(1, 10**6),
    instances=st.integers(0, 10**6),
    size=SIZES,
    complete=st.just(True),
    reason=st.just(Reason.COUNT),
    url=URLS,
    series=st.just(()),
    modalities=st.just({}),
    attributes=st.just({}),
    blobs=st.none(),
    manifest=BLOBS,
)
TIMES = st.floats(0, 4e9).map(timestamp)
TRACES = st.none() | st.from_regex(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", fullmatch=True)
EVENTS: st.SearchStrategy[CloudEvent[Any]] = st.builds(
    CloudEvent, FILLED, st.just(EventType.INSTANCE_STORED), INSTANCES, TIMES, TRACES
) | st.builds(
    CloudEvent,
    FILLED,
    st.sampled_from([EventType.STUDY_ARRIVED, EventType.STUDY_AMENDED]),
    STUDIES,
    TIMES,
    TRACES,
)

INSTANCE = CloudEvent(
    id="a1",
    type=EventType.INSTANCE_STORED,
    data=InstanceEvent(
        origin="inbox",
        study="1.2",
        series="1.2.3",
        instance="1.2.3.4",
        sop_class="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax="1.2.840.10008.1.2.1",
        digest="ab" * 32,
        blob=Blob("isthmus", "inbox/a", 5),
        url="http://127.0.0.1:8080/aets/inbox/studies/1.2/series/1.2.3/instances/1.2.3.4",
        attributes={"00100020": {"vr": "LO", "Value": ["Doe-1"]}},
    ),
    time="2024-05-01T10:00:00.000Z",
)


def written(**changes: object) -> dict[str, Any]:
    """Give an event as a receiver sees it, with some attributes changed; those that are None are left out."""
    seen: dict[str, Any] = json.loads(to_json(INSTANCE)) | changes
    return {name: value for name, value in seen.items() if value is not None}


def with_data(**changes: object) -> dict[str, Any]:
    """Give an event with some fields of its data changed."""
    return written(data=written()["data"] | changes)


def test_the_attributes_are_those_of_cloud_events() -> None:
    seen = written()
    del seen["data"]
    assert seen == {
        "specversion": "1.0",
        "id": "a1",
        "source": "/aets/inbox",
        "type": "instance.stored",
        "subject": "1.2/1.2.3/1.2.3.4",
        "time": "2024-05-01T10:00:00.000Z",
        "datacontenttype": "application/json",
    }


@settings(max_examples=60)
@given(EVENTS)
def test_an_event_is_what_it_was_after_the_way_and_agrees_with_the_schema(event: CloudEvent[Any]) -> None:
    data = to_json(event)
    check(data)
    assert from_json(data) == event


@settings(max_examples=30)
@given(EVENTS)
def test_extension_attributes_have_names_that_cloud_events_allows(event: CloudEvent[Any]) -> None:
    assert all(name.isascii() and name.isalnum() and name.islower() for name in json.loads(to_json(event)))


def test_what_a_later_version_adds_is_ignored() -> None:
    seen = with_data(colour="blue", blob={**written()["data"]["blob"], "etag": "x"}) | {"partitionkey": "a"}
    assert from_json(json.dumps(seen).encode()) == INSTANCE


def test_a_field_that_a_later_version_has_made_optional_may_be_left_out() -> None:
    data = {name: value for name, value in written()["data"].items() if value is not None}
    assert from_json(json.dumps(written(data=data)).encode()) == INSTANCE


@pytest.mark.parametrize(
    ("seen", "complaint"),
    [
        (written(specversion="0.3"), "specversion: literal_error"),
        (written(specversion=None), "specversion: missing"),
        (written(id=""), "id: string_too_short"),
        (written(id=5), "id: string_type"),
        (written(source=None), "source: missing"),
        (written(type="study.deleted"), "union_tag_invalid"),
        (written(type=None), "union_tag_not_found"),
        (written(time="yesterday"), "time: string_pattern_mismatch"),
        (written(time="2024-05-01T10:00:00"), "time: string_pattern_mismatch"),
        (written(data=None), "data: missing"),
        (with_data(study=5), "data.study: string_type"),
        (with_data(conflict="oldest"), "data.conflict: literal_error"),
        (with_data(blob={"bucket": "b", "key": "k", "size": "5"}), "data.blob.size: int_type"),
        (written(type="study.arrived"), "data.revision: missing"),
    ],
)
def test_what_is_no_event_is_an_error_that_names_the_field(seen: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ContractError) as caught:
        from_json(json.dumps(seen).encode())
    assert complaint in caught.value.detail


@pytest.mark.parametrize("data", [b"", b"\xff", b"{", b"[]", b"5", b"null", b'{"data": NaN}'])
def test_what_is_no_object_in_json_is_an_error(data: bytes) -> None:
    with pytest.raises(ContractError, match="event: "):
        from_json(data)


def test_a_wrong_value_is_not_quoted_and_neither_is_a_key() -> None:
    seen = with_data(attributes={"Doe^John": {"vr": ["Doe^John"]}}, study=["Doe^John"])
    with pytest.raises(ContractError) as caught:
        from_json(json.dumps(seen).encode())
    assert "data.attributes" in caught.value.detail
    assert "Doe" not in caught.value.detail


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (1_714_557_600.1234, "2024-05-01T10:00:00.123Z")],
)
def test_times_are_written_in_utc_to_the_millisecond(seconds: float, text: str) -> None:
    assert timestamp(seconds) == text
