"""What the services below a root can do (PS3.18 8.9, Annex H), from the table of transactions."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

import orjson

from isthmus.common.dicomweb.accept import Offer
from isthmus.common.dicomweb.transactions import DELETIONS, TRANSACTIONS, Transaction

WADL: Final = Offer("application/vnd.sun.wadl+xml")
_NAMESPACE: Final = "http://wadl.dev.java.net/2009/02"
_SCHEMA: Final = "http://www.w3.org/2001/XMLSchema"
_TEMPLATE: Final = re.compile(r"\{(\w+)(?::\w+)?\}")
_SUCCESSES: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class _Element:
    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: Sequence["_Element"] = ()


def wadl(base_url: str, *, deletes: bool) -> bytes:
    """Write the capabilities as a Web Application Description (PS3.18 Annex H).

    Args:
        base_url: Of the service root, absolute.
        deletes: Whether it is that of an inbox, from which something can be deleted.
    """
    root = _to_xml(_application(base_url, deletes=deletes))
    root.set("xmlns", _NAMESPACE)
    root.set("xmlns:xs", _SCHEMA)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def capabilities_json(base_url: str, *, deletes: bool) -> bytes:
    """Write the same in JSON: attributes by their names, the elements of each name in an array."""
    return orjson.dumps({"application": _to_json(_application(base_url, deletes=deletes))})


def _application(base_url: str, *, deletes: bool) -> _Element:
    transactions = [each for each in TRANSACTIONS if deletes or each not in DELETIONS]
    by_path = groupby(sorted(transactions, key=_path), _path)
    resources = [_resource(path, [*group]) for path, group in by_path]
    return _Element("application", children=[_Element("resources", {"base": f"{base_url}/"}, resources)])


def _path(transaction: Transaction) -> str:
    return transaction.path


def _resource(path: str, transactions: Sequence[Transaction]) -> _Element:
    names = [
        _Element("param", {"name": name, "style": "template", "type": "xs:string", "required": "true"})
        for name in _TEMPLATE.findall(path)
    ]
    written = _TEMPLATE.sub(r"{\1}", path).removeprefix("/")
    return _Element("resource", {"path": written}, [*names, *map(_method, transactions)])


def _method(transaction: Transaction) -> _Element:
    queries = [
        _Element(
            "param",
            {
                "name": parameter.name,
                "style": "query",
                "type": "xs:string",
                "required": str(parameter.is_required).lower(),
            },
        )
        for parameter in transaction.parameters
    ]
    payload = [_representation(media_type) for media_type in transaction.takes]
    identifier = "".join(word.capitalize() for word in transaction.name.split())
    return _Element(
        "method",
        {"name": transaction.method, "id": identifier},
        [
            _Element("request", children=[*_accept(transaction), *queries, *payload]),
            *_responses(transaction),
        ],
    )


def _accept(transaction: Transaction) -> Sequence[_Element]:
    """Describe the Accept header, where there is something to be chosen."""
    if not transaction.offers:
        return ()
    attributes = {
        "name": "Accept",
        "style": "header",
        "type": "xs:string",
        "default": transaction.offers[0].media_type,
    }
    options = [_Element("option", {"value": offer.media_type}) for offer in transaction.offers]
    return [_Element("param", attributes, options)]


def _responses(transaction: Transaction) -> Sequence[_Element]:
    offered = [_representation(offer.media_type) for offer in transaction.offers]
    problem = [_representation("application/problem+json")]
    with_content = [status for status in transaction.statuses if status in _SUCCESSES and status != 204]
    without = [status for status in transaction.statuses if status in {204, 304}]
    failures = [status for status in transaction.statuses if status >= 400]
    return [
        _Element("response", {"status": " ".join(map(str, statuses))}, children)
        for statuses, children in ((with_content, offered), (without, ()), (failures, problem))
        if statuses
    ]


def _representation(media_type: str) -> _Element:
    return _Element("representation", {"mediaType": media_type})


def _to_xml(element: _Element) -> ET.Element:
    written = ET.Element(element.name, dict(element.attributes))
    written.extend(_to_xml(child) for child in element.children)
    return written


def _to_json(element: _Element) -> dict[str, object]:
    children: dict[str, list[object]] = {}
    for child in element.children:
        children.setdefault(child.name, []).append(_to_json(child))
    return {**element.attributes, **children}
