"""Bodies of STOW-RS that are metadata and bulkdata (PS3.18 10.5.1.4), as files."""

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pydicom
from pydicom.uid import generate_uid

from bench.data import Study
from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.dicom.xml_model import native_model

_BOUNDARY: Final = "the-boundary-of-the-benchmark"
_SIDE: Final = 3072
"""Rows, and columns, of a large image, of 16 bits a pixel."""
_WHERE: Final = "large"


def headers(form: str) -> dict[str, str]:
    """Give the headers of a body in `json` or `xml`."""
    return {"Content-Type": f'multipart/related; type="application/dicom+{form}"; boundary={_BOUNDARY}'}


def large_values(file: Path, study: Study, side: int = _SIDE) -> Path:
    """Write two large images in JSON: one with its pixels in it, in base64, one with a part of its own."""
    pixels = bytes(2 * side * side)
    inline, separate = (_attributes(study.files[0], number, side) for number in (1, 2))
    inline["7FE00010"] = {"vr": "OW", "InlineBinary": base64.b64encode(pixels).decode("ascii")}
    separate["7FE00010"] = {"vr": "OW", "BulkDataURI": _WHERE}
    metadata = json.dumps([inline, separate]).encode()
    parts = [
        (b"application/dicom+json", b"", metadata),
        (b"application/octet-stream", f"Content-Location: {_WHERE}\r\n".encode(), pixels),
    ]
    return _write(file, parts)


def many_objects(file: Path, study: Study, form: str) -> Path:
    """Write all images of a study, whose pixels are few, in JSON in one part, or in XML in one part each."""
    described: list[DicomJson] = []
    for number, image in enumerate(study.files):
        ds = pydicom.dcmread(image)
        attributes = _attributes(image, number, ds.Rows)
        attributes["7FE00010"] = {
            "vr": "OW",
            "InlineBinary": base64.b64encode(ds.PixelData).decode("ascii"),
        }
        described.append(attributes)
    if form == "json":
        parts = [json.dumps(described).encode()]
    else:
        parts = [native_model(attributes) for attributes in described]
    return _write(file, [(f"application/dicom+{form}".encode(), b"", part) for part in parts])


def _attributes(image: Path, number: int, side: int) -> DicomJson:
    ds = pydicom.dcmread(image, stop_before_pixels=True)
    ds.StudyInstanceUID = generate_uid(entropy_srcs=["stored", ds.StudyInstanceUID])
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=["stored", ds.SeriesInstanceUID])
    ds.SOPInstanceUID = generate_uid(entropy_srcs=["stored", ds.SOPInstanceUID, str(number), str(side)])
    ds.Rows = ds.Columns = side
    attributes: DicomJson = ds.to_json_dict()
    return attributes


def _write(file: Path, parts: Iterable[tuple[bytes, bytes, bytes]]) -> Path:
    with file.open("wb") as output:
        for content_type, more, content in parts:
            head = b"--%s\r\nContent-Type: %s\r\n%s\r\n" % (_BOUNDARY.encode(), content_type, more)
            output.writelines((head, content, b"\r\n"))
        output.write(b"--%s--\r\n" % _BOUNDARY.encode())
    return file
