"""What can be retrieved (PS3.18 10.4.1.1, Tables 10.4.1-1 to 10.4.1-6)."""

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Final

import httpx2
import pydicom
import pytest

from isthmus.common.dicomweb.transactions import RETRIEVALS, RETRIEVE_BY_URI
from tests.data_sets import identity
from tests.system.conformance.answers import Match, matches, parts, value
from tests.system.conformance.archive import Archive
from tests.system.conformance.samples import (
    DICOM_PARTS,
    EXPLICIT,
    OCTET_PARTS,
    OCTETS,
    Sample,
    get,
    got,
    media_type,
    picture,
    read,
    sample,
)
from tests.system.problem import problem

SUB_RESOURCES: Final = ("metadata", "rendered", "thumbnail", "bulkdata", "pixeldata")


@pytest.fixture(scope="module")
def several(corpus: list[Path]) -> Sample:
    """An image of a study of eleven images in three series; its own series has seven."""
    return sample(corpus, "4467")


@pytest.fixture(scope="module")
def frames(corpus: list[Path]) -> Sample:
    """An image of 15 frames of 10 x 10 pixels of 32 bits, in Implicit VR Little Endian."""
    return sample(corpus, "rtdose")


def expected(archive: Archive, resource: str) -> set[str]:
    """The instances that pydicom reads of a resource."""
    keywords = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    return archive.where(**dict(zip(keywords, resource.split("/")[2::2], strict=False))).uids("instances")


@pytest.mark.parametrize("level", [0, 1, 2], ids=["study", "series", "instance"])
def test_10_4_1_1_1_instances_of_a_study_a_series_and_one(
    http: httpx2.Client, anywhere: Archive, several: Sample, level: int
) -> None:
    """Table 10.4.1-1: `/studies/{study}[/series/{series}[/instances/{instance}]]`."""
    resource = several.levels[level]
    found = parts(got(http, anywhere.root + resource, DICOM_PARTS), "application/dicom")
    assert {identity(part.content).sop_instance_uid for part in found} == expected(anywhere, resource)
    assert len(found) == (11, 7, 1)[level]


@pytest.mark.parametrize("level", [0, 1, 2], ids=["study", "series", "instance"])
def test_10_4_1_1_2_metadata_of_each(
    http: httpx2.Client, anywhere: Archive, several: Sample, level: int
) -> None:
    """Table 10.4.1-2."""
    resource = several.levels[level]
    found = matches(http.get(f"{anywhere.root}{resource}/metadata"))
    assert {value(each, "SOPInstanceUID") for each in found} == expected(anywhere, resource)
    assert len(found) == (11, 7, 1)[level]


@pytest.mark.parametrize("level", [0, 1, 2], ids=["study", "series", "instance"])
def test_10_4_1_1_3_renderings_of_each(
    http: httpx2.Client, anywhere: Archive, several: Sample, level: int
) -> None:
    """Table 10.4.1-3: one picture for each image."""
    response = got(
        http, f"{anywhere.root}{several.levels[level]}/rendered", 'multipart/related; type="image/jpeg"'
    )
    assert [picture(part.content).format for part in parts(response, "image/jpeg")] == ["JPEG"] * (11, 7, 1)[
        level
    ]


@pytest.mark.parametrize("level", [0, 1, 2], ids=["study", "series", "instance"])
def test_10_4_1_1_4_a_thumbnail_of_each(
    http: httpx2.Client, anywhere: Archive, several: Sample, level: int
) -> None:
    """Table 10.4.1-4: only a single image."""
    response = got(http, f"{anywhere.root}{several.levels[level]}/thumbnail")
    assert media_type(response) == "image/jpeg"
    assert max(picture(response.content).size) <= 128


@pytest.mark.parametrize("kind", ["bulkdata", "pixeldata"])
@pytest.mark.parametrize("level", [0, 1, 2], ids=["study", "series", "instance"])
def test_10_4_1_1_5_and_6_bulkdata_and_pixel_data_of_each(
    http: httpx2.Client, anywhere: Archive, several: Sample, level: int, kind: str
) -> None:
    """Tables 10.4.1-5 and 10.4.1-6; each value with the URL that the metadata give (10.4.3.3.5)."""
    resource = several.levels[level]
    found = parts(got(http, f"{anywhere.root}{resource}/{kind}", OCTET_PARTS), OCTETS)
    metadata = matches(http.get(f"{anywhere.root}{resource}/metadata"))
    assert {part.headers["Content-Location"] for part in found} == {
        each["7FE00010"]["BulkDataURI"] for each in metadata
    }
    assert len(found) == (11, 7, 1)[level]


def test_10_4_1_1_5_pixeldata_are_not_the_other_bulkdata(
    http: httpx2.Client, anywhere: Archive, corpus: list[Path]
) -> None:
    """An image with an overlay has two values of bulk data, and one of pixel data."""
    url = anywhere.root + sample(corpus, "examples_overlay").instance
    counts = {kind: len(parts(got(http, f"{url}/{kind}"), OCTETS)) for kind in ("bulkdata", "pixeldata")}
    assert counts["pixeldata"] == 1
    assert counts["bulkdata"] > 1


def test_10_4_1_1_5_each_bulkdata_uri_of_the_metadata_leads_to_its_value(
    http: httpx2.Client, anywhere: Archive, corpus: list[Path]
) -> None:
    """`{/bulkdataURIReference}`: what pydicom reads of the file, byte for byte; also values within items."""
    waveform, image = (sample(corpus, name) for name in ("waveform_ecg", "examples_overlay"))
    for each in (waveform, image):
        (described,) = matches(http.get(f"{anywhere.root}{each.instance}/metadata"))
        values = dict(bulk_values(described, each.read()))
        assert values
        for url, expected_value in values.items():
            assert got(http, url, OCTETS).content == expected_value
    url = f"{anywhere.root}{waveform.instance}/bulkdata/54000100/1/54001010"
    assert got(http, url, OCTETS).content == waveform.read().WaveformSequence[0].WaveformData


def bulk_values(described: Match, ds: pydicom.Dataset) -> list[tuple[str, bytes]]:
    """The BulkDataURIs of a data set and its items, each with the value that the file has."""
    found: list[tuple[str, bytes]] = []
    for key, attribute in described.items():
        element = ds[int(key, 16)]
        if "BulkDataURI" in attribute:
            found.append((attribute["BulkDataURI"], element.value))
        elif attribute["vr"] == "SQ":
            for item, described_item in zip(element.value, attribute.get("Value", []), strict=True):
                found += bulk_values(described_item, item)
    return found


@pytest.mark.parametrize("listed", ["1", "15", "3,1,15", "2,2"])
def test_10_4_1_1_6_frames_are_numbered_from_1_and_come_as_they_are_listed(
    http: httpx2.Client, anywhere: Archive, frames: Sample, listed: str
) -> None:
    """Table 10.4.1-6: `/frames/{frames}`, a list with commas."""
    pixel_data = frames.read().PixelData
    size = len(pixel_data) // 15
    found = parts(got(http, f"{anywhere.root}{frames.instance}/frames/{listed}"), OCTETS)
    numbers = [int(number) for number in listed.split(",")]
    assert [part.content for part in found] == [
        pixel_data[size * (number - 1) : size * number] for number in numbers
    ]


def test_10_4_1_1_3_frames_are_rendered(http: httpx2.Client, anywhere: Archive, frames: Sample) -> None:
    """`/frames/{frames}/rendered`: one by itself, several as parts."""
    url = f"{anywhere.root}{frames.instance}/frames"
    one = got(http, f"{url}/3/rendered", "image/png").content
    several = parts(got(http, f"{url}/3,1/rendered", 'multipart/related; type="image/png"'), "image/png")
    assert len(several) == 2
    assert several[0].content == one != several[1].content


def test_10_4_1_1_4_frames_have_thumbnails(http: httpx2.Client, anywhere: Archive, frames: Sample) -> None:
    """`/frames/{frames}/thumbnail`: of several frames one picture."""
    url = f"{anywhere.root}{frames.instance}/frames"
    one, several = (got(http, f"{url}/{listed}/thumbnail") for listed in ("3", "3,1"))
    assert media_type(one) == media_type(several) == "image/jpeg"
    assert one.content == several.content


@pytest.mark.parametrize("kind", ["metadata", "bulkdata", "pixeldata", "nothing"])
def test_10_4_1_1_frames_have_no_other_resources(
    http: httpx2.Client, anywhere: Archive, frames: Sample, kind: str
) -> None:
    problem(http.get(f"{anywhere.root}{frames.instance}/frames/1/{kind}"), 404)


@pytest.mark.parametrize("level", [0, 1, 2], ids=["study", "series", "instance"])
def test_sup_211_a_zip_of_each(http: httpx2.Client, anywhere: Archive, several: Sample, level: int) -> None:
    """`application/zip` (8.7.3.5 since 2020): a file of DICOM for each instance."""
    resource = several.levels[level]
    response = got(http, anywhere.root + resource, "application/zip")
    assert media_type(response) == "application/zip"
    with zipfile.ZipFile(BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        found = [read(archive.read(name)) for name in archive.namelist()]
    assert {ds.SOPInstanceUID for ds in found} == expected(anywhere, resource)
    assert {ds.file_meta.TransferSyntaxUID for ds in found} == {EXPLICIT}


def test_8_2_each_resource_of_the_statement_is_one_of_the_gateway(
    http: httpx2.Client, anywhere: Archive, frames: Sample
) -> None:
    """And has the default media type that the statement says."""
    study, series, instance = frames.who[1:]
    fields = {"study": study, "series": series, "instance": instance, "frames": "1"}
    by_uri = {"requestType": "WADO", "studyUID": study, "seriesUID": series, "objectUID": instance}
    for transaction in (*RETRIEVALS, RETRIEVE_BY_URI):
        path = transaction.path.replace("{path:path}", "7FE00010").format_map(fields)
        params = by_uri if transaction is RETRIEVE_BY_URI else {}
        response = got(http, anywhere.root + path, params=params)
        assert media_type(response) == transaction.offers[0].media_type, path


@pytest.mark.parametrize("name", ["rtdose", "CT_small", "test-SR", "rtplan"])
def test_8_7_what_a_406_lists_is_in_the_statement(
    http: httpx2.Client, origin: Archive, corpus: list[Path], name: str
) -> None:
    """Of each resource no other media types than those, whatever the object is."""
    study, series, instance = sample(corpus, name).who[1:]
    fields = {"study": study, "series": series, "instance": instance, "frames": "1"}
    for transaction in RETRIEVALS:
        path = transaction.path.replace("{path:path}", "7FE00010").format_map(fields)
        response = get(http, origin.root + path, "application/x-nothing")
        if response.status_code == 404:
            continue  # it has no pixels
        members = problem(response, 406)
        listed = members["available"]
        assert isinstance(listed, list)
        if members["type"] == "urn:isthmus:problem:pixels-unreadable":
            continue  # it is no image: what is listed are other resources of it
        assert {*map(name_of, listed)} <= {offer.name for offer in transaction.offers}, path


def name_of(listed: str) -> str:
    """The media type of what is listed, or of its parts: rendered series list both, and are always parts."""
    found = listed.partition("; transfer-syntax")[0].partition('type="')
    return found[2].rstrip('"') or found[0]
