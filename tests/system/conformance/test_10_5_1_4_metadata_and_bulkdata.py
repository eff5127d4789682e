"""Storing what comes as metadata and bulkdata (PS3.18 10.5.1.4), and as pictures (10.5.2)."""

from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import JPEGBaseline8Bit

from tests.stow.payloads import JSON, OCTETS, XML, Model, Part, body, described, headers, metadata
from tests.system.conformance.answers import value, values
from tests.system.conformance.native_xml import native_xml
from tests.system.conformance.storing import Destination

IMAGE_PIXEL: Final = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)
"""The Image Pixel Description Macro."""
MISSING_BULKDATA: Final = 0xC002
TRANSFER_SYNTAX_REASONS: Final = {0xC122, 0x0122}


def written(form: str, *objects: Model) -> list[Part]:
    """Metadata: one part with all of them in JSON, one part for each in XML."""
    return [metadata(*objects)] if form == JSON else [Part(native_xml(each), XML) for each in objects]


@pytest.mark.parametrize("form", [JSON, XML])
@pytest.mark.parametrize("bulkdata_first", [False, True])
def test_10_5_1_4_metadata_and_bulkdata_make_instances(
    destination: Destination, fresh: list[Path], form: str, *, bulkdata_first: bool
) -> None:
    """BulkDataURI of the metadata is Content-Location of the bulkdata."""
    parts = [described(file) for file in fresh]
    root = written(form, *(each.metadata for each in parts))
    bulkdata = [bulk for each in parts for bulk in each.parts]
    ordered = [*bulkdata, *root] if bulkdata_first else [*root, *bulkdata]
    response = destination.store(body(ordered), headers(form)["Content-Type"])
    assert response.status_code == 200, response.text
    held = destination.held()
    for file in fresh:
        sent = pydicom.dcmread(file)
        stored = held[sent.SOPInstanceUID]
        assert stored.PixelData == sent.PixelData
        assert {element.keyword for element in sent} == {element.keyword for element in stored}
        for keyword in ("PatientName", "StudyDate", "ImagePositionPatient", "SliceThickness", "ImageType"):
            assert stored[keyword].value == sent[keyword].value


@pytest.mark.parametrize("form", [JSON, XML])
def test_10_5_1_4_bulkdata_that_are_not_there_fail_their_instance(
    destination: Destination, fresh: list[Path], form: str
) -> None:
    """The others are stored."""
    parts = [described(file) for file in fresh[:2]]
    content = body([*written(form, *(each.metadata for each in parts)), *parts[0].parts])
    response = destination.store(content, headers(form)["Content-Type"])
    assert response.status_code == 202
    found = response.json()
    (item,) = values(found, "FailedSOPSequence")
    assert value(item, "ReferencedSOPInstanceUID") == pydicom.dcmread(fresh[1]).SOPInstanceUID
    assert values(item, "FailureReason") == [MISSING_BULKDATA]
    assert len(values(found, "ReferencedSOPSequence")) == 1


def without_pixel_description(file: Path) -> Model:
    """The metadata of an image that comes as a picture."""
    model = described(file).metadata
    for keyword in IMAGE_PIXEL:
        del model[f"{pydicom.tag.Tag(keyword):08X}"]
    model["7FE00010"] = {"vr": "OB", "BulkDataURI": "picture"}
    return model


def encoded(picture: Image.Image, form: str) -> Part:
    file = BytesIO()
    picture.save(file, form)
    return Part(file.getvalue(), f"image/{form}", "picture")


def test_10_5_2_a_lossless_picture_is_stored_with_its_pixels(
    destination: Destination, fresh: list[Path]
) -> None:
    """image/png holds no DICOM transfer syntax; the picture tells the Image Pixel Description Macro."""
    pixels = np.random.default_rng(1).integers(0, 256, (30, 40), dtype=np.uint8)
    picture = encoded(Image.fromarray(pixels), "png")
    response = destination.store(
        body([metadata(without_pixel_description(fresh[0])), picture]), headers(JSON)["Content-Type"]
    )
    assert response.status_code == 200, response.text
    held = destination.held()[pydicom.dcmread(fresh[0]).SOPInstanceUID]
    assert (held.pixel_array == pixels).all()
    assert held.PhotometricInterpretation == "MONOCHROME2"


def test_10_5_2_a_compressed_picture_is_stored_in_its_own_transfer_syntax(
    destination: Destination, fresh: list[Path]
) -> None:
    """dcmqrscp takes none that is compressed, and says so."""
    picture = encoded(Image.new("L", (40, 30), 77), "jpeg")
    response = destination.store(
        body([metadata(without_pixel_description(fresh[0])), picture]), headers(JSON)["Content-Type"]
    )
    if destination.root == "/aets/keeper":
        assert response.status_code == 409
        (item,) = values(response.json(), "FailedSOPSequence")
        assert set(values(item, "FailureReason")) <= TRANSFER_SYNTAX_REASONS
        return
    assert response.status_code == 200, response.text
    held = destination.held()[pydicom.dcmread(fresh[0]).SOPInstanceUID]
    assert held.file_meta.TransferSyntaxUID == JPEGBaseline8Bit
    assert (held.Rows, held.Columns, held.SamplesPerPixel) == (30, 40, 1)
    assert (held.pixel_array == 77).all()


@pytest.mark.parametrize("form", [JSON, XML])
def test_10_5_1_4_metadata_alone_make_instances_without_bulkdata(
    destination: Destination, fresh: list[Path], form: str
) -> None:
    model = described(fresh[0]).metadata
    del model["7FE00010"]
    response = destination.store(body(written(form, model)), headers(form)["Content-Type"])
    assert response.status_code == 200, response.text
    held = destination.held()[pydicom.dcmread(fresh[0]).SOPInstanceUID]
    assert "PixelData" not in held


def test_10_5_1_4_bulkdata_without_metadata_are_bad_syntax(destination: Destination) -> None:
    response = destination.store(body([Part(b"0123", OCTETS, "somewhere")]), headers(JSON)["Content-Type"])
    assert response.status_code == 400
