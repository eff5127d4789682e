"""Files of the corpus as resources of an origin, and requests of them."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import httpx2
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.config import disable_value_validation
from pydicom.uid import ImplicitVRLittleEndian

from tests.data_sets import Identity, identity
from tests.system.conformance.answers import Part

DICOM: Final = "application/dicom"
DICOM_PARTS: Final = 'multipart/related; type="application/dicom"'
OCTETS: Final = "application/octet-stream"
OCTET_PARTS: Final = 'multipart/related; type="application/octet-stream"'
EXPLICIT: Final = "1.2.840.10008.1.2.1"

Pixels = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """A file, and what its resources are called below the root of an origin."""

    file: Path

    @property
    def who(self) -> Identity:
        return identity(self.file)

    @property
    def study(self) -> str:
        return f"/studies/{self.who.study_instance_uid}"

    @property
    def series(self) -> str:
        return f"{self.study}/series/{self.who.series_instance_uid}"

    @property
    def instance(self) -> str:
        return f"{self.series}/instances/{self.who.sop_instance_uid}"

    @property
    def levels(self) -> tuple[str, str, str]:
        """Its resources, from study to instance."""
        return self.study, self.series, self.instance

    def read(self) -> pydicom.Dataset:
        """As pydicom reads it."""
        return read(self.file)


def sample(corpus: Iterable[Path], name: str) -> Sample:
    """The file of a name, which may have got a number: `MR_small_RLE` is `MR_small_RLE.2.dcm`."""
    return Sample(next(file for file in corpus if file.name.split(".")[0] == name))


def read(content: Path | bytes) -> pydicom.Dataset:
    """Read a file, whatever rules it breaks; one without a transfer syntax is implicit."""
    source = BytesIO(content) if isinstance(content, bytes) else content
    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(source, force=True)
        for _ in ds.iterall():
            pass  # read each value now: later it would warn again
    if "TransferSyntaxUID" not in ds.file_meta:
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    return ds


def get(
    http: httpx2.Client, url: str, accept: str | None = "*/*", params: Mapping[str, str] = {}
) -> httpx2.Response:
    """Get a resource; without an Accept header if that is None."""
    request = http.build_request("GET", url, params=dict(params) or None)
    del request.headers["Accept"]
    if accept is not None:
        request.headers["Accept"] = accept
    return http.send(request)


def got(
    http: httpx2.Client, url: str, accept: str | None = "*/*", params: Mapping[str, str] = {}
) -> httpx2.Response:
    """Get a resource that is there."""
    response = get(http, url, accept, params)
    assert response.status_code == 200, response.text[:500]
    return response


def media_type(response: httpx2.Response) -> str:
    """Its media type as negotiation names it: of parts with their type, else without parameters."""
    content_type: str = response.headers["Content-Type"]
    name = content_type.partition(";")[0]
    return content_type.partition("; boundary")[0] if name == "multipart/related" else name


def form(part: Part) -> str:
    """The Content-Type of a part, with its transfer syntax; its other headers may quote it."""
    syntax = part.headers.get_param("transfer-syntax")
    return f"{part.headers.get_content_type()}; transfer-syntax={syntax}"


def picture(content: bytes) -> Image.Image:
    """Open a picture."""
    return Image.open(BytesIO(content))


def pixels(content: bytes) -> Pixels:
    """The pixels of a picture, of 8 bits in gray or in colour."""
    opened = picture(content)
    return np.asarray(opened if opened.mode in ("L", "RGB") else opened.convert("RGB"))
