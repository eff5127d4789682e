"""Bodies of WADO-RS, read by the standard library, and payloads of STOW-RS."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import Final, Self

import httpx2
import pydicom
from pydicom.config import disable_value_validation

from tests.data_sets import raw_datasets

INSTANCES: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'
BOUNDARY: Final = "a-boundary-of-our-own"
PAYLOAD: Final = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
"""The Content-Type of what `payload` writes."""


def parts(body: bytes, content_type: str) -> list[bytes]:
    """Give the contents of the parts.

    Raises:
        ValueError: the body does not end with its closing delimiter.
    """
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode())
    boundary = message.get_boundary()
    if boundary is None:
        raise ValueError("no boundary")
    delimiter = b"--" + boundary.encode()
    if not body.rstrip(b"\r\n").endswith(delimiter + b"--"):
        raise ValueError("no closing delimiter")
    chunks = body.split(delimiter)[1:-1]
    return [chunk.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n") for chunk in chunks]


def datasets(body: bytes, content_type: str) -> dict[str, bytes]:
    """Give the raw data sets of a body's instances by SOP Instance UID."""
    files = parts(body, content_type)
    found = raw_datasets(files)
    if len(found) != len(files):
        raise ValueError("an instance is there twice")
    return found


def retrieve(http: httpx2.Client, origin: str, study: str) -> tuple[dict[str, bytes], bool]:
    """Retrieve a study: its data sets, and whether they are all; if not it breaks off, or is 206 later on."""
    received = bytearray()
    with http.stream("GET", f"/aets/{origin}/studies/{study}", headers={"Accept": INSTANCES}) as response:
        if response.status_code not in (200, 206):
            raise AssertionError(f"{response.status_code}: {response.read().decode()}")
        content_type = response.headers["content-type"]
        try:
            for chunk in response.iter_raw():
                received += chunk
        except httpx2.RemoteProtocolError:
            return datasets_of_broken(bytes(received), content_type), False
    return datasets(bytes(received), content_type), response.status_code == 200


def datasets_of_broken(body: bytes, content_type: str) -> dict[str, bytes]:
    """Give the data sets of the parts that arrived whole, by their Content-Length."""
    boundary = content_type.rpartition("boundary=")[2].strip('"').encode()
    whole: list[bytes] = []
    for part in body.split(b"--" + boundary + b"\r\n")[1:]:
        head, _, content = part.partition(b"\r\n\r\n")
        length = BytesParser(policy=HTTP).parsebytes(head)["content-length"]
        if length is not None and len(content) >= int(length):
            whole.append(content[: int(length)])
    return raw_datasets(whole)


def payload(contents: Iterable[bytes], *, closed: bool = True) -> bytes:
    """Write a payload of STOW-RS (PS3.18 10.5.2); one that is not closed ends within its last part."""
    header = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = b"\r\n".join(header + content for content in contents)
    return body + f"\r\n--{BOUNDARY}--\r\n".encode() if closed else body


@dataclass(frozen=True, slots=True)
class Answer:
    """What a Store Instances Response Module says (PS3.18 Table I.1-1)."""

    stored: Counter[str]
    """SOP Instance UIDs."""
    failed: dict[str, int]
    """Failure Reasons by SOP Instance UID."""
    unreadable: Sequence[int]
    """Failure Reasons of parts that name no instance."""
    retrieve_urls: Sequence[str]
    """Of each instance that is stored."""

    @classmethod
    def of(cls, module: pydicom.Dataset) -> Self:
        """Read the module; a sequence without an item must not be there."""
        stored, failed, others = (
            list(module[keyword].value) if keyword in module else []
            for keyword in ("ReferencedSOPSequence", "FailedSOPSequence", "OtherFailuresSequence")
        )
        return cls(
            Counter(item.ReferencedSOPInstanceUID for item in stored),
            {item.ReferencedSOPInstanceUID: item.FailureReason for item in failed},
            [item.FailureReason for item in others],
            [item.RetrieveURL for item in stored],
        )

    @classmethod
    def from_response(cls, response: httpx2.Response) -> Self:
        """Read it from a response in JSON."""
        with disable_value_validation():  # of UIDs that are too long
            return cls.of(pydicom.Dataset.from_json(response.json()))
