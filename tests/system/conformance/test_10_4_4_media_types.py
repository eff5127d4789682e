"""The media types of each resource (PS3.18 10.4.4, Table 10.4.4-1; 8.7.3, 8.7.4)."""

from pathlib import Path
from typing import Final

import httpx2
import numpy as np
import pytest
from PIL import JpegImagePlugin
from pydicom.uid import generate_uid

from tests.peers import Orthanc
from tests.system.conformance.answers import NATIVE_MODEL, XML_PARTS, matches, parts, value, xml_texts
from tests.system.conformance.archive import Archive
from tests.system.conformance.samples import (
    OCTET_PARTS,
    OCTETS,
    Sample,
    get,
    got,
    media_type,
    picture,
    pixels,
    sample,
)
from tests.system.problem import problem
from tests.wado.objects import PDF, VIDEO, pdf, video

JSON: Final = "application/dicom+json"
BASELINE: Final = b"\xff\xc0"
"""The marker of a baseline frame (ISO/IEC 10918-1)."""


@pytest.fixture(scope="module")
def image(corpus: list[Path]) -> Sample:
    return sample(corpus, "CT_small")


@pytest.fixture(scope="module")
def several(corpus: list[Path]) -> Sample:
    """An image of a series of seven."""
    return sample(corpus, "4467")


@pytest.fixture(scope="module")
def report(corpus: list[Path]) -> Sample:
    return sample(corpus, "test-SR")


def test_instances_in_octet_streams_are_their_bulkdata(
    http: httpx2.Client, anywhere: Archive, several: Sample
) -> None:
    """Required, for historical reasons: equivalent to the Bulkdata resource."""
    for resource in several.levels:
        url = anywhere.root + resource
        instances, bulkdata = (
            {
                part.headers["Content-Location"]: part.content
                for part in parts(got(http, each, OCTET_PARTS), OCTETS)
            }
            for each in (url, f"{url}/bulkdata")
        )
        assert instances == bulkdata
        assert instances


def test_metadata_are_one_array_of_json_and_no_parts(
    http: httpx2.Client, anywhere: Archive, several: Sample
) -> None:
    """The default; never `multipart/related; type="application/dicom+json"`."""
    for resource, count in zip(several.levels, (11, 7, 1), strict=True):
        url = f"{anywhere.root}{resource}/metadata"
        assert len(matches(got(http, url))) == count
        problem(get(http, url, f'multipart/related; type="{JSON}"'), 406)
    assert media_type(got(http, url, "application/json")) == "application/json"


def test_metadata_in_xml_are_a_part_for_each_instance(
    http: httpx2.Client, anywhere: Archive, several: Sample
) -> None:
    """Required; the Native DICOM Model (PS3.19 A.1) of the same values."""
    for resource, count in zip(several.levels, (11, 7, 1), strict=True):
        url = f"{anywhere.root}{resource}/metadata"
        found = parts(got(http, url, XML_PARTS), "application/dicom+xml")
        assert len(found) == count
        in_json = {value(each, "SOPInstanceUID"): each for each in matches(got(http, url))}
        for part in found:
            assert part.headers.get_content_type() == "application/dicom+xml"
            texts = xml_texts(part.content)
            described = in_json[texts["SOPInstanceUID"][0]]
            for keyword in ("StudyInstanceUID", "Modality", "PatientID", "StudyDate", "Rows", "ImageType"):
                assert texts[keyword][0] == value(described, keyword)
            assert described["7FE00010"]["BulkDataURI"].encode() in part.content
            assert NATIVE_MODEL.strip("{}").encode() in part.content


def test_a_frame_or_a_value_by_itself_is_the_content_of_its_part(
    http: httpx2.Client, anywhere: Archive, image: Sample
) -> None:
    """Optional: single `application/octet-stream`, and single compressed media types."""
    for resource in ("/frames/1", "/bulkdata/7FE00010"):
        url = f"{anywhere.root}{image.instance}{resource}"
        for name in (OCTETS, "image/jls", "image/jp2", "image/dicom-rle"):
            (part,) = parts(got(http, url, f'multipart/related; type="{name}"'), name)
            assert got(http, url, name).content == part.content


def test_8_7_4_an_image_is_jpeg_gif_or_png(http: httpx2.Client, anywhere: Archive, image: Sample) -> None:
    """JPEG is baseline, and none has more than 8 bits for a channel."""
    url = f"{anywhere.root}{image.instance}/rendered"
    lossless = pixels(got(http, url, "image/png").content)
    assert lossless.dtype == np.uint8
    jpeg = got(http, url, "image/jpeg").content
    assert BASELINE in jpeg
    opened = picture(jpeg)
    assert isinstance(opened, JpegImagePlugin.JpegImageFile)
    assert "progressive" not in opened.info
    assert np.abs(pixels(jpeg).astype(np.int16) - lossless).mean() < 3
    gif = picture(got(http, url, "image/gif").content)
    assert np.array_equal(np.asarray(gif.convert("L")), lossless)


def test_8_7_4_an_image_of_several_frames_is_an_animation(
    http: httpx2.Client, anywhere: Archive, corpus: list[Path]
) -> None:
    """`image/gif` has all frames; other media types are of one frame, and a part for each."""
    url = f"{anywhere.root}{sample(corpus, 'rtdose').instance}/rendered"
    animation = picture(got(http, url, "image/gif").content)
    assert getattr(animation, "n_frames", 1) == 15
    assert len(parts(got(http, url, 'multipart/related; type="image/png"'), "image/png")) == 15
    single = got(http, url, "image/png")
    assert "the first of 15" in single.headers["Warning"]


@pytest.mark.parametrize("name", ["text/html", "text/plain", "text/xml"])
def test_8_7_4_a_report_is_a_text(http: httpx2.Client, anywhere: Archive, report: Sample, name: str) -> None:
    """HTML is the default, the others are required; all that it says is in each."""
    url = f"{anywhere.root}{report.instance}/rendered"
    response = got(http, url, name)
    assert response.headers["Content-Type"] == f"{name}; charset=utf-8"
    item = report.read().ContentSequence[1].ContentSequence[0]
    assert str(item.ConceptNameCodeSequence[0].CodeMeaning) in response.text
    assert str(item.TextValue) in response.text
    assert media_type(got(http, url)) == "text/html"
    problem(get(http, url, "image/jpeg"), 406)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, _writable_orthanc: Orthanc) -> tuple[Sample, Sample]:
    """A document in PDF and a video, in the origin that is written to."""
    directory = tmp_path_factory.mktemp("made")
    study = generate_uid()
    contents = {"pdf": pdf(study, generate_uid()), "video": video(study, generate_uid())}
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    _writable_orthanc.load([directory / name for name in contents])
    return Sample(directory / "pdf"), Sample(directory / "video")


def test_8_7_4_an_encapsulated_document_is_itself(http: httpx2.Client, made: tuple[Sample, Sample]) -> None:
    for accept in ("*/*", "application/pdf"):
        response = got(http, f"/aets/empty{made[0].instance}/rendered", accept)
        assert media_type(response) == "application/pdf"
        assert response.content == PDF
    problem(get(http, f"/aets/empty{made[0].instance}/rendered", "text/html"), 406)


def test_8_7_4_a_video_is_itself(http: httpx2.Client, made: tuple[Sample, Sample]) -> None:
    """Optional; as bulk data it is one part with all its frames (Table 8.7.3-5, Note 5)."""
    url = f"/aets/empty{made[1].instance}"
    for accept in ("*/*", "video/mp4"):
        response = got(http, f"{url}/rendered", accept)
        assert (media_type(response), response.content) == ("video/mp4", VIDEO)
    (part,) = parts(got(http, f"{url}/bulkdata", 'multipart/related; type="video/mp4"'), "video/mp4")
    assert part.content == VIDEO
    problem(get(http, f"{url}/rendered", "image/jpeg"), 406)
    problem(get(http, f"{url}/bulkdata/7FE00010", "image/jpeg"), 406)


@pytest.mark.parametrize(
    ("level", "accept"), [(0, "image/png"), (1, "image/gif"), (2, "image/png"), (2, "image/gif")]
)
def test_a_thumbnail_is_a_jpeg_or_another_picture(
    http: httpx2.Client, anywhere: Archive, several: Sample, level: int, accept: str
) -> None:
    url = f"{anywhere.root}{several.levels[level]}/thumbnail"
    assert media_type(got(http, url, accept)) == accept
    assert media_type(got(http, url)) == "image/jpeg"


def test_a_study_of_several_kinds_is_rendered_each_as_what_it_is(
    http: httpx2.Client, made: tuple[Sample, Sample]
) -> None:
    """And what the client does not take makes a 206 with a Warning."""
    url = f"/aets/empty{made[0].study}/rendered"
    both = got(http, url, 'multipart/related; type="*/*"')
    kinds = {part.headers.get_content_type() for part in parts(both, parts_type(both))}
    assert kinds == {"application/pdf", "video/mp4"}
    one = get(http, url, 'multipart/related; type="application/pdf"')
    assert one.status_code == 206
    assert [part.content for part in parts(one, "application/pdf")] == [PDF]
    assert "1 of 2 instances cannot be rendered so" in one.headers["Warning"]


def parts_type(response: httpx2.Response) -> str:
    """The media type of the first part."""
    return media_type(response).partition('type="')[2].rstrip('"')


def test_a_rendered_study_is_parts_whatever_is_accepted(
    http: httpx2.Client, anywhere: Archive, several: Sample
) -> None:
    """10.4.4 expects 406 of single media types alone; dicomweb-client has nothing else."""
    response = got(http, f"{anywhere.root}{several.series}/rendered", "image/png")
    assert len(parts(response, "image/png")) == 7
