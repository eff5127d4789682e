"""Archives that take what is stored, and what they then have."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import httpx2
import pydicom

from tests.data_sets import identity
from tests.peers import Dcmqrscp, Orthanc
from tests.system.conformance.answers import DICOM_JSON
from tests.system.multipart import PAYLOAD, payload


@dataclass(frozen=True, slots=True)
class Destination:
    """An origin that takes what is stored."""

    http: httpx2.Client
    root: str
    """The path of its resources."""
    held: Callable[[], dict[str, pydicom.Dataset]]
    """What the archive itself has now, by SOP Instance UID."""

    def store(
        self,
        content: bytes | Iterable[bytes],
        content_type: str = PAYLOAD,
        *,
        study: str = "",
        accept: str = DICOM_JSON,
    ) -> httpx2.Response:
        """Store a payload."""
        url = f"{self.root}/studies/{study}" if study else f"{self.root}/studies"
        return self.http.post(url, content=content, headers={"Content-Type": content_type, "Accept": accept})

    def store_files(self, *files: Path) -> httpx2.Response:
        """Store objects as they are, each as a part."""
        return self.store(payload(file.read_bytes() for file in files))

    def url(self, file: Path) -> str:
        """Where the instance of a file is retrieved."""
        who = identity(file)
        series = f"{self.root}/studies/{who.study_instance_uid}/series/{who.series_instance_uid}"
        return f"{self.http.base_url}{series}/instances/{who.sop_instance_uid}"


def in_orthanc(archive: Orthanc) -> dict[str, pydicom.Dataset]:
    """What it holds, as pydicom reads it."""
    return {
        who.sop_instance_uid: pydicom.dcmread(BytesIO(archive.file(name)))
        for name, who in archive.held().items()
    }


def in_dcmqrscp(archive: Dcmqrscp) -> dict[str, pydicom.Dataset]:
    """What it holds, as pydicom reads it."""
    return {identity(file).sop_instance_uid: pydicom.dcmread(file) for file in archive.files()}
