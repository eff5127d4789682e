"""Payloads of metadata and bulkdata (PS3.18 10.5.1.4), made by pydicom, which knows nothing of ours."""

import json
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2
import pydicom
from pydicom.dataelem import DataElement

from isthmus.common.blobs import BlobStore
from isthmus.common.dicom.xml_model import native_model
from tests.data_sets import identity
from tests.stow.worker import Job, Script

BOUNDARY: Final = "0123456789abcdef"
FAILED, STORED, OTHERS = "00081198", "00081199", "0008119A"
JSON: Final = "application/dicom+json"
XML: Final = "application/dicom+xml"
OCTETS: Final = "application/octet-stream"

Model = dict[str, Any]
"""An object of the DICOM JSON Model, to be spoilt."""


class Part(NamedTuple):
    """A part, as its headers say."""

    content: bytes
    content_type: str | None = OCTETS
    location: str | None = None

    def encoded(self) -> bytes:
        headers = {"Content-Type": self.content_type, "Content-Location": self.location}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
        return f"\r\n--{BOUNDARY}\r\n{lines}\r\n".encode() + self.content


def body(parts: Iterable[Part], *, closed: bool = True) -> bytes:
    """Write the parts."""
    return b"".join(part.encoded() for part in parts) + (
        f"\r\n--{BOUNDARY}--\r\n".encode() if closed else b""
    )


def headers(part_type: str | None = JSON, **others: str) -> dict[str, str]:
    """Write the headers of the request."""
    named = f'; type="{part_type}"' if part_type else ""
    return {"Content-Type": f"multipart/related{named}; boundary={BOUNDARY}"} | others


class Described(NamedTuple):
    """An instance as metadata and bulkdata."""

    metadata: Model
    bulkdata: Mapping[str, bytes]
    """By location."""

    @property
    def parts(self) -> list[Part]:
        """The bulkdata."""
        return [Part(value, OCTETS, location) for location, value in self.bulkdata.items()]


def described(file: Path, prefix: str = "bulk/", threshold: int = 64) -> Described:
    """Describe a file by pydicom; values of more bytes, and pixel data, are bulkdata."""
    ds = pydicom.dcmread(file)
    bulkdata: dict[str, bytes] = {}

    def refer(element: DataElement) -> str:
        location = f"{prefix}{ds.SOPInstanceUID}/{element.tag:08X}"
        bulkdata[location] = element.value
        return location

    return Described(ds.to_json_dict(threshold, refer), bulkdata)


def metadata(*objects: Model) -> Part:
    """Write one part of metadata in JSON."""
    return Part(json.dumps(list(objects)).encode(), JSON)


def document(found: Model) -> Part:
    """Write one part of metadata in XML."""
    return Part(native_model(found), XML)


def reasons(response: httpx2.Response, sequence: str = FAILED) -> list[int]:
    """Read the Failure Reasons."""
    return [item["00081197"]["Value"][0] for item in response.json()[sequence]["Value"]]


def comments(response: httpx2.Response, sequence: str = FAILED) -> list[str]:
    """Read the Error Comments."""
    return [item["00000902"]["Value"][0] for item in response.json()[sequence]["Value"]]


def instances(response: httpx2.Response, sequence: str = STORED) -> list[str]:
    """Read the SOP Instance UIDs."""
    return [item["00081155"]["Value"][0] for item in response.json()[sequence]["Value"]]


def uids(files: Iterable[Path]) -> list[str]:
    """Read the SOP Instance UIDs of files."""
    return [identity(file).sop_instance_uid for file in files]


class Sent(dict[str, bytes]):
    """What went to the origin, by SOP Instance UID; each instance as its ref says it is."""

    def script(self, blobs: BlobStore) -> Script:
        """Make a worker that stores all, and keeps it here."""

        async def stores(job: Job) -> None:
            for ref in await job.refs():
                content = await blobs.get(ref.key)
                meta = read(content).file_meta
                assert (len(content), meta.TransferSyntaxUID) == (ref.size, ref.transfer_syntax_uid)
                assert meta.MediaStorageSOPInstanceUID == ref.sop_instance_uid
                self[ref.sop_instance_uid] = content
            await job.answer_all(0x0000)

        return stores

    def only(self) -> pydicom.Dataset:
        """Read the one instance that was sent."""
        (content,) = self.values()
        return read(content)


def read(content: bytes) -> pydicom.Dataset:
    """Read a file."""
    return pydicom.dcmread(BytesIO(content))
