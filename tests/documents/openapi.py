"""docs/openapi.yaml, made from the table of transactions that the faces are made of.

`make docs` writes it; tests see that it was, that every route is in it, and that a running system answers as
it says.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

import yaml

from isthmus.common.auth import Right
from isthmus.common.dicomweb.capabilities import WADL
from isthmus.common.dicomweb.resource import ROOTS
from isthmus.common.dicomweb.transactions import TRANSACTIONS, Parameter, Service, Transaction
from tests.documents.openapi_parts import (
    AT_ANY_TIME,
    PATH_PARAMETERS,
    PROBLEM,
    QUERY_SCHEMAS,
    SCHEMAS,
    SECURITY,
    SECURITY_SCHEMES,
    WORDS,
    Json,
)

PAGE: Final = Path(__file__).parents[2] / "docs" / "openapi.yaml"
RIGHTS: Final = {
    Service.SEARCH: Right.SEARCH,
    Service.RETRIEVE: Right.RETRIEVE,
    Service.STORE: Right.STORE,
    Service.URI: Right.RETRIEVE,
    Service.DELETE: Right.DELETE,
}
"""What it takes to use a service."""
_INTRODUCTION: Final = """\
All that the HTTP faces of Isthmus answer: DICOMweb (PS3.18) below each origin, `/aets/{origin}`, and below
all of them at once, `/dicomweb`; the origins themselves; and the probes of each service. What each does by
the standard is in conformance.md.

GET has HEAD beside it everywhere. Which credential may do what is in the settings, by rules;
`x-isthmus-right` is what an operation takes. Answers carry `traceresponse` (W3C), by which `isthmus trace`
shows what happened.
"""
_BINARY: Final[Json] = {"schema": {"type": "string", "format": "binary"}}
_DATA_SETS: Final[Json] = {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/dataSet"}}}
_IN_JSON: Final = frozenset({"application/dicom+json", "application/json"})
_WITHOUT_CONTENT: Final = frozenset({204, 304})
_OUTCOMES: Final = frozenset({200, 202, 206, 409})
"""Statuses whose content is that of the transaction; 409 of a store alone."""
_PARAMETERS: Final = tuple(dict.fromkeys(parameter for each in TRANSACTIONS for parameter in each.parameters))
_ATTRIBUTE: Final = "{attribute}"
_PATH_PARAMETER: Final = re.compile(r"\{(\w+)(?::path)?\}")


def document() -> Json:
    """Write the description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Isthmus",
            "version": "1.0.0",
            "description": _INTRODUCTION,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [
            {"url": "http://127.0.0.1:8080", "description": "The gateway, where `isthmus up` listens"}
        ],
        "security": SECURITY,
        "paths": dict(_paths()),
        "components": {
            "securitySchemes": SECURITY_SCHEMES,
            "parameters": {
                **{
                    name: {"name": name, "in": "path", "required": True, **described}
                    for name, described in PATH_PARAMETERS.items()
                },
                **{_key(each): _query(each) for each in _PARAMETERS},
            },
            "responses": {f"p{status}": _problem(status) for status in WORDS if status >= 400},
            "schemas": SCHEMAS,
        },
    }


def written() -> str:
    """Give it as the file has it."""
    head = "# Made by `make docs` from the tables that the code uses: do not edit.\n"
    return head + yaml.dump(document(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)


class _Plain(yaml.SafeDumper):
    """Writes what is there twice twice."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: _Plain, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Plain.add_representer(str, _text)


def _paths() -> Iterator[tuple[str, Json]]:
    yield from _origins()
    yield "/", {"options": _capabilities("/")}
    for root in ROOTS:
        by_path = sorted(TRANSACTIONS, key=attrgetter("path"))
        for path, transactions in groupby(by_path, attrgetter("path")):
            operations: Json = {each.method.lower(): _operation(root, each) for each in transactions}
            yield (
                root + path.replace(":path", ""),
                {"parameters": _path_parameters(root + path), **operations},
            )
    yield from _probes()


def _origins() -> Iterator[tuple[str, Json]]:
    listed: Json = {"type": "array", "items": {"$ref": "#/components/schemas/origin"}}
    checked: Json = {"schema": {"$ref": "#/components/schemas/check"}}
    yield (
        "/aets",
        {
            "get": _described(
                "List Origins",
                "Origins",
                {"200": _content("The origins.", {"application/json": {"schema": listed}})},
            )
        },
    )
    answers: Json = {
        "200": _content("It answers.", {"application/json": checked}),
        "503": _content(
            "It does not answer, or a part of the gateway is away.", {"application/json": checked, **PROBLEM}
        ),
    }
    for root in ROOTS:
        operations: Json = {"options": _capabilities(root)}
        if "{origin}" in root:
            operations["get"] = _described("Check Origin", "Origins", answers)
        yield root, {"parameters": _path_parameters(root), **operations}


def _capabilities(root: str) -> Json:
    content: Json = {
        WADL.name: {"schema": {"type": "string"}},
        "application/json": {"schema": {"type": "object"}},
    }
    answers: Json = {"200": _content("What can be done here (PS3.18 8.9).", content), "406": _reference(406)}
    return _described("Retrieve Capabilities", "Origins", answers, operation_id=_id("capabilities", root))


def _operation(root: str, transaction: Transaction) -> Json:
    responses: Json = {}
    for status in sorted({*transaction.statuses, *AT_ANY_TIME, *_more(transaction)}):
        responses[str(status)] = _response(transaction, status)
    operation = _described(
        transaction.name,
        transaction.service.value,
        responses,
        operation_id=_id(transaction.name, root),
        right=RIGHTS[transaction.service],
    )
    if transaction.section:
        operation["externalDocs"] = {
            "description": f"PS3.18 {transaction.section}",
            "url": f"https://dicom.nema.org/medical/dicom/current/output/html/part18.html#sect_{transaction.section}",
        }
    if transaction.parameters:
        operation["parameters"] = [
            {"$ref": f"#/components/parameters/{_key(each)}"} for each in transaction.parameters
        ]
    if transaction.takes:
        operation["requestBody"] = {"required": True, "content": _taken(transaction)}
    return operation


def _more(transaction: Transaction) -> Sequence[int]:
    """Give the statuses that come of what an origin answers, beside those of the standard."""
    if transaction.service is Service.STORE:
        return (501,)
    return (501, 502) if transaction.method == "GET" else ()


def _described(
    name: str, service: str, responses: Json, *, operation_id: str = "", right: Right | None = None
) -> Json:
    for status in AT_ANY_TIME:
        responses.setdefault(str(status), _reference(status))
    operation: Json = {"operationId": operation_id or _id(name, ""), "summary": name, "tags": [service]}
    if right is not None:
        operation["x-isthmus-right"] = right.value
    return {**operation, "responses": dict(sorted(responses.items()))}


def _response(transaction: Transaction, status: int) -> Json:
    if status in _WITHOUT_CONTENT:
        return {"description": WORDS[status]}
    if status not in _OUTCOMES:
        return _reference(status)
    content: Json = {}
    for offer in transaction.offers:
        name = "multipart/related" if offer.multipart else offer.name
        is_one = transaction.service is Service.STORE
        data_sets: Json = {"schema": {"$ref": "#/components/schemas/dataSet"}} if is_one else _DATA_SETS
        content[name] = data_sets if name in _IN_JSON else _BINARY
    types = [f"`{offer.media_type}`" for offer in transaction.offers if offer.multipart]
    parts = f" In parts: {', '.join(types)}." if types else ""
    return _content(WORDS[status] + parts, content)


def _taken(transaction: Transaction) -> Json:
    return {media_type.partition(";")[0]: _BINARY for media_type in transaction.takes}


def _key(parameter: Parameter) -> str:
    """Name a parameter: those of the same name that differ get a number."""
    alike = [each for each in _PARAMETERS if each.name == parameter.name]
    name = "attributes" if parameter.name == _ATTRIBUTE else parameter.name
    number = alike.index(parameter)
    return f"q-{name}" + (f"-{number + 1}" if number else "")


def _query(parameter: Parameter) -> Json:
    section = f" (PS3.18 {parameter.section})"
    if parameter.name == _ATTRIBUTE:
        return {
            "name": "attributes",
            "in": "query",
            "description": f"Any attribute: {parameter.values}{section}.",
            "style": "form",
            "explode": True,
            "schema": {
                "type": "object",
                "propertyNames": {"pattern": "^([A-Z][0-9A-Za-z]*|[0-9A-F]{8})([.]([0-9A-Za-z]+))*$"},
                "additionalProperties": {"type": "string"},
            },
        }
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.is_required,
        "description": f"{parameter.values}{section}.",
        "schema": QUERY_SCHEMAS.get(parameter.name, {"type": "string"}),
        **({"style": "form", "explode": False} if parameter.name == "includefield" else {}),
    }


def _path_parameters(path: str) -> list[Json]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in _PATH_PARAMETER.findall(path)]


def _probes() -> Iterator[tuple[str, Json]]:
    server = {"url": "http://127.0.0.1:{port}", "variables": {"port": {"default": "8081"}}}
    health: Json = {"application/json": {"schema": {"$ref": "#/components/schemas/health"}}}
    numbers: Json = {"text/plain": {"schema": {"type": "string"}}}
    live: Json = {"200": _content("The process lives.", health)}
    ready: Json = {
        "200": _content("It can work.", health),
        "503": _content("A part that it needs is away.", health),
    }
    for path, name, answers in (("/healthz", "Live", live), ("/readyz", "Ready", ready)):
        described = _described(name, "Probes of each service", answers)
        yield path, {"servers": [server], "get": {**described, "security": []}}
    metrics = _described("Metrics", "Probes of each service", {"200": _content("For Prometheus.", numbers)})
    yield "/metrics", {"servers": [server], "get": {**metrics, "x-isthmus-right": Right.ADMIN.value}}


def _content(words: str, content: Json) -> Json:
    return {"description": words, "content": content}


def _problem(status: int) -> Json:
    headers: Json = {}
    if status in {429, 503}:
        headers["Retry-After"] = {"schema": {"type": "integer"}, "description": "Seconds."}
    if status == 401:
        headers["WWW-Authenticate"] = {"schema": {"type": "string"}}
    if status == 405:
        headers["Allow"] = {"schema": {"type": "string"}}
    described: Json = {"description": WORDS[status], "content": PROBLEM}
    return {**described, "headers": headers} if headers else described


def _reference(status: int) -> Json:
    return {"$ref": f"#/components/responses/p{status}"}


def _id(name: str, root: str) -> str:
    words: list[str] = re.findall(r"[A-Za-z]+", name)
    camel = words[0].lower() + "".join(word.capitalize() for word in words[1:])
    if not root or "{origin}" in root:
        return camel
    return camel + ("OfTheGateway" if root == "/" else "OfAllOrigins")


if __name__ == "__main__":
    PAGE.write_text(written())
    sys.stderr.write(f"wrote {PAGE.name}\n")
