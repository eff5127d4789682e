"""docs/asyncapi.yaml: valid by itself, and true of what we publish."""

import json
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator
from pydantic import ValidationError

from isthmus.common.bus import subjects
from isthmus.common.messages.cloud_events import CONTENT_TYPE, from_json
from isthmus.common.messages.events import EventType
from tests.documents.asyncapi import agree, check, document

MESSAGES: dict[str, Any] = document()["components"]["messages"]
EXAMPLES = [(kind, one["payload"]) for kind, message in MESSAGES.items() for one in message["examples"]]


def references(value: object) -> Iterator[str]:
    """Give all references in a part of the document."""
    if isinstance(value, list):
        for one in value:
            yield from references(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name == "$ref":
                yield one
            else:
                yield from references(one)


def resolved(reference: str) -> Any:  # noqa: ANN401  (as json.loads)
    """Give what a reference leads to."""
    place: Any = document()
    for name in reference.removeprefix("#/").split("/"):
        place = place[name]
    return place


def address(kind: str) -> str:
    """Give the address of the channel for a type of events."""
    return subjects.event(kind, "inbox").removesuffix("inbox") + "{origin}"


def as_bytes(event: object) -> bytes:
    return json.dumps(event).encode()


def test_the_document_is_one_of_asyncapi() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, while it is imported
        from asyncapi3.models import AsyncAPI3
    AsyncAPI3.model_validate(document())
    for wrong in ({"asyncapi": "2.6.0"}, {"colour": "blue"}, {"channels": {"a": {"adress": "a"}}}):
        with pytest.raises(ValidationError):
            AsyncAPI3.model_validate(document() | wrong)


def test_every_reference_leads_somewhere() -> None:
    found = set(references(document()))
    assert len(found) > 20
    for reference in found:
        assert resolved(reference), reference


def test_everything_that_is_described_is_used() -> None:
    used = set(references(document())) | {"#/components/schemas/manifest"}  # a blob, and no message
    described = {
        f"#/components/{kind}/{name}" for kind, its in document()["components"].items() for name in its
    }
    assert described - used == set()


def test_the_schemas_are_schemas() -> None:
    for schema in document()["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)


def test_the_channels_are_the_subjects_of_the_stream() -> None:
    addresses = {channel["address"] for channel in document()["channels"].values()}
    assert addresses == {address(kind) for kind in EventType}


def test_each_channel_carries_the_messages_of_its_type() -> None:
    for channel in document()["channels"].values():
        (message,) = (resolved(reference) for reference in references(channel["messages"]))
        assert channel["address"] == address(message["name"])
        assert resolved(message["payload"]["$ref"])["properties"]["type"]["const"] == message["name"]


def test_the_content_type_is_the_one_that_is_published() -> None:
    assert document()["defaultContentType"] == CONTENT_TYPE


@pytest.mark.parametrize(("kind", "payload"), EXAMPLES, ids=[kind for kind, _ in EXAMPLES])
def test_the_examples_are_events(kind: str, payload: dict[str, Any]) -> None:
    check(as_bytes(payload))
    assert from_json(as_bytes(payload)).type == MESSAGES[kind]["name"]


@pytest.mark.parametrize("kind", MESSAGES)
def test_the_examples_of_headers_are_those_of_messages(kind: str) -> None:
    for example in MESSAGES[kind]["examples"]:
        agree(example["headers"], MESSAGES[kind]["headers"])


def fields(payload: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Give where each object with named fields is in an event, and itself."""
    yield (), payload
    yield ("data",), payload["data"]
    for name in ("blob", "manifest"):
        if payload["data"].get(name):
            yield ("data", name), payload["data"][name]
    for name in ("blobs", "series"):
        if isinstance(payload["data"].get(name), list):
            yield ("data", name), payload["data"][name][0]


RENAMED = [
    pytest.param(payload, place, name, id=f"{kind}-{'.'.join((*place, name))}")
    for kind, payload in EXAMPLES
    for place, its in fields(payload)
    for name in its
]


@pytest.mark.parametrize(("payload", "place", "name"), RENAMED)
def test_a_field_that_is_renamed_is_seen(payload: dict[str, Any], place: tuple[str, ...], name: str) -> None:
    changed = json.loads(as_bytes(payload))
    ((_, its),) = [(where, its) for where, its in fields(changed) if where == place]
    its[f"{name}s"] = its.pop(name)
    with pytest.raises((AssertionError, KeyError)):
        check(as_bytes(changed))


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("studyArrived", {"complete": "yes"}),
        ("studyArrived", {"complete": False}),
        ("studyArrived", {"complete": 1}),
        ("studyArrived", {"reason": "timeout"}),
        ("studyArrived", {"revision": 0}),
        ("studyArrived", {"blobs": None}),
        ("studyArrived", {"modalities": {"CT": "1"}}),
        ("studyArrived", {"conflicts": ["colour"]}),
        ("studyArrived", {"attributes": {"PatientName": {"vr": "PN"}}}),
        ("studyArrived", {"origin": "elsewhere"}),
        ("studyArrived", {"study": "1.2"}),
        ("instanceStored", {"digest": "AB"}),
        ("instanceStored", {"conflict": "oldest"}),
        ("instanceStored", {"instance": "1.2"}),
        ("instanceStored", {"url": "http://127.0.0.1/studies/1"}),
    ],
)
def test_a_value_that_means_nothing_is_seen(kind: str, changes: dict[str, object]) -> None:
    (payload,) = [payload for name, payload in EXAMPLES if name == kind]
    with pytest.raises(AssertionError):
        check(as_bytes(payload | {"data": payload["data"] | changes}))


def test_a_type_that_nobody_described_is_seen() -> None:
    with pytest.raises(AssertionError, match="no type of event"):
        check(as_bytes(EXAMPLES[0][1] | {"type": "study.deleted"}))
