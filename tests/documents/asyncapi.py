"""docs/asyncapi.yaml, as the measure of every event that a test sees."""

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from jsonschema import Draft7Validator
from referencing import Registry
from referencing.jsonschema import DRAFT7

ASYNCAPI: Final = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"
_HERE: Final = "urn:asyncapi"


@cache
def document() -> dict[str, Any]:
    """Read the description of the events."""
    read: dict[str, Any] = yaml.safe_load(ASYNCAPI.read_bytes())
    return read


def check(event: bytes) -> None:
    """Check an event, as it lies in the stream, against the schema of its type.

    What is written today has to be described: a field that the schema does not name is an error here, though
    subscribers are to ignore it.

    Raises:
        AssertionError: the event is not as described; the text names each place that differs.
    """
    read = json.loads(event, parse_constant=_refuse)
    described = {message["name"]: message for message in document()["components"]["messages"].values()}
    assert read["type"] in described, f"{read['type']} is no type of event that docs/asyncapi.yaml knows"
    agree(read, described[read["type"]]["payload"])
    data = read["data"]
    assert read["source"] == f"/aets/{data['origin']}", "source names another inbox"
    named = [data[name] for name in ("study", "series", "instance") if isinstance(data.get(name), str)]
    assert read["subject"] == "/".join(named), "subject names other UIDs"


def check_manifest(manifest: bytes) -> None:
    """Check the blob that a study event names as its manifest.

    Raises:
        AssertionError: it is not as described.
    """
    agree(json.loads(manifest, parse_constant=_refuse), {"$ref": "#/components/schemas/manifest"})


def agree(value: object, schema: dict[str, str]) -> None:
    """Check a value against a schema of the document, of which no object may have more than is named.

    Args:
        value: what was read from JSON.
        schema: a reference into the document.

    Raises:
        AssertionError: it does not agree.
    """
    errors = list(_validator(schema["$ref"]).iter_errors(value))
    assert not errors, "; ".join(f"{error.json_path}: {error.message}" for error in errors)


@cache
def _validator(reference: str) -> Draft7Validator:
    closed = {"components": _closed(document()["components"])}
    registry = Registry[Any]().with_resource(_HERE, DRAFT7.create_resource(closed))
    return Draft7Validator({"$ref": f"{_HERE}{reference}"}, registry=registry)


def _closed(schema: object) -> object:
    """Give a schema whose objects have no fields but those that it names."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(one) for name, one in schema.items()}
    names_fields = "type" in schema and isinstance(schema.get("properties"), dict)
    return {"additionalProperties": False, **closed} if names_fields else closed


def _refuse(constant: str) -> object:
    raise AssertionError(f"{constant} is no JSON")
