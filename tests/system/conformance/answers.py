"""Answers of the gateway, read by the standard library and pydicom, which know nothing of ours."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, Final, NamedTuple

import httpx2
from pydicom.datadict import keyword_for_tag, tag_for_keyword

DICOM_JSON: Final = "application/dicom+json"
XML_PARTS: Final = 'multipart/related; type="application/dicom+xml"'
NATIVE_MODEL: Final = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"

Match = Mapping[str, Any]
"""A data set of the DICOM JSON Model."""


class Part(NamedTuple):
    """A part of a multipart body."""

    headers: Message
    content: bytes


def tag(keyword: str) -> str:
    """Write a tag as the JSON Model does."""
    number = tag_for_keyword(keyword)
    assert number is not None, keyword
    return f"{number:08X}"


def keywords(match: Match) -> set[str]:
    """The attributes that are there, with a value or without."""
    return {keyword_for_tag(int(key, 16)) for key in match}


def values(match: Match, keyword: str) -> list[Any]:
    """The values of an attribute; none if it is empty or not there."""
    found: list[Any] = match.get(tag(keyword), {}).get("Value", [])
    return found


def value(match: Match, keyword: str) -> str:
    """The first value as text, of a name its component groups; empty if there is none."""
    found = next(iter(values(match, keyword)), None)
    if isinstance(found, Mapping):
        groups = [found.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    return "" if found is None else str(found)


def all_values(matches: Iterable[Match], keyword: str) -> set[str]:
    """The values of an attribute in any of them."""
    return {value(match, keyword) for match in matches} - {""}


def matches(response: httpx2.Response) -> list[Match]:
    """Read the matches of a search that succeeded."""
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == DICOM_JSON
    found: list[Match] = response.json()
    return found


def warnings(response: httpx2.Response) -> list[str]:
    """The texts of the warnings with code 299, without the service that says them."""
    found = []
    for header in response.headers.get_list("warning"):
        code, _, rest = header.partition(" ")
        assert code == "299"
        found.append(rest.partition(": ")[2])
    return found


def parts(response: httpx2.Response, part_type: str) -> list[Part]:
    """Read a body of multipart/related (RFC 2387), each part with its headers."""
    message = BytesParser(policy=HTTP).parsebytes(
        f"Content-Type: {response.headers['Content-Type']}\r\n\r\n".encode()
    )
    assert message.get_content_type() == "multipart/related"
    assert message.get_param("type") == part_type
    boundary = message.get_boundary()
    assert boundary is not None
    delimiter = f"--{boundary}".encode()
    assert response.content.rstrip(b"\r\n").endswith(delimiter + b"--")
    found = []
    for chunk in response.content.split(delimiter)[1:-1]:
        head, _, content = chunk.partition(b"\r\n\r\n")
        headers = BytesParser(policy=HTTP).parsebytes(head.lstrip(b"\r\n"))
        found.append(Part(headers, content.removesuffix(b"\r\n")))
    return found


def xml_texts(document: bytes) -> dict[str, list[str]]:
    """Read the attributes of a Native DICOM Model (PS3.19 A.1) that are texts, by keyword."""
    root = ET.fromstring(document)
    assert root.tag == f"{NATIVE_MODEL}NativeDicomModel"
    return _texts(root)


def xml_sequence(document: bytes, keyword: str) -> list[dict[str, list[str]]]:
    """Read the items of a sequence of a Native DICOM Model: their texts, by keyword."""
    root = ET.fromstring(document)
    assert root.tag == f"{NATIVE_MODEL}NativeDicomModel"
    path = f"{NATIVE_MODEL}DicomAttribute[@keyword='{keyword}']/{NATIVE_MODEL}Item"
    return [_texts(item) for item in root.findall(path)]


def _texts(item: ET.Element) -> dict[str, list[str]]:
    return {
        attribute.get("keyword", ""): [
            value.text or "" for value in attribute.findall(f"{NATIVE_MODEL}Value")
        ]
        for attribute in item.findall(f"{NATIVE_MODEL}DicomAttribute")
    }
