"""WADO-URI (PS3.18 9): an instance by query parameters; the sections are those of the edition 2024e."""

from pathlib import Path
from typing import Final

import httpx2
import numpy as np
import pytest

from tests.data_sets import raw_dataset, transfer_syntax
from tests.peers import Orthanc
from tests.system.conformance.answers import warnings
from tests.system.conformance.archive import Archive
from tests.system.conformance.samples import (
    DICOM,
    EXPLICIT,
    Sample,
    get,
    got,
    media_type,
    picture,
    pixels,
    sample,
)
from tests.system.problem import problem
from tests.wado.objects import gray, inverting, written

RLE: Final = "1.2.840.10008.1.2.5"
UNKNOWN: Final = "1.2.3.4.5.6.7.8.9"
PNG: Final = {"contentType": "image/png"}


@pytest.fixture(scope="module")
def image(corpus: list[Path]) -> Sample:
    """A CT image of 128 x 128 pixels."""
    return sample(corpus, "CT_small")


@pytest.fixture(scope="module")
def frames(corpus: list[Path]) -> Sample:
    """An image of 15 frames."""
    return sample(corpus, "rtdose")


@pytest.fixture(scope="module")
def report(corpus: list[Path]) -> Sample:
    return sample(corpus, "test-SR")


def query(image: Sample, **others: str) -> dict[str, str]:
    """The parameters that there must be, and others."""
    who = image.who
    uids = {
        "studyUID": who.study_instance_uid,
        "seriesUID": who.series_instance_uid,
        "objectUID": who.sop_instance_uid,
    }
    return {"requestType": "WADO", **uids, **others}


def uri(archive: Archive) -> str:
    return f"{archive.root}/wado"


@pytest.mark.parametrize("missing", ["requestType", "studyUID", "seriesUID", "objectUID"])
def test_9_1_2_1_what_must_be_there_and_is_not_is_400(
    http: httpx2.Client, origin: Archive, image: Sample, missing: str
) -> None:
    """Table 9.1.2-1."""
    params = query(image)
    del params[missing]
    assert problem(get(http, uri(origin), params=params), 400)["parameter"] == missing


@pytest.mark.parametrize(
    ("name", "value"),
    [("requestType", "wado"), ("studyUID", "1 2"), ("seriesUID", "../1"), ("objectUID", "1" * 129)],
)
def test_9_1_2_1_what_cannot_be_is_400(
    http: httpx2.Client, origin: Archive, image: Sample, name: str, value: str
) -> None:
    response = get(http, uri(origin), params={**query(image), name: value})
    assert problem(response, 400)["parameter"] == name


@pytest.mark.parametrize("name", ["studyUID", "seriesUID", "objectUID"])
def test_9_4_3_1_what_there_is_not_is_404(
    http: httpx2.Client, origin: Archive, image: Sample, name: str
) -> None:
    """Also an instance of another study or series."""
    problem(get(http, uri(origin), params={**query(image), name: UNKNOWN}), 404)


def test_9_3_without_content_type_an_image_is_a_jpeg_and_a_report_a_page(
    http: httpx2.Client, anywhere: Archive, image: Sample, report: Sample
) -> None:
    """With `*/*` in the Accept header, or without one."""
    for accept in ("*/*", None):
        response = got(http, uri(anywhere), accept, query(image))
        assert media_type(response) == "image/jpeg"
        assert picture(response.content).format == "JPEG"
        assert media_type(got(http, uri(anywhere), accept, query(report))) == "text/html"


@pytest.mark.parametrize(
    ("content_type", "accept", "expected"),
    [
        ("image/jpeg", "*/*", "image/jpeg"),
        ("image/png", "image/jpeg", "image/png"),
        ("image/webp,image/gif;q=0.1", "*/*", "image/gif"),
        ("image/png;q=0.1,image/gif;q=0.9", "*/*", "image/gif"),
        ("application/dicom", "*/*", "application/dicom"),
        (None, "image/png", "image/png"),
        (None, "application/dicom", "application/dicom"),
        (None, "text/html,image/gif;q=0.2,*/*;q=0.1", "image/gif"),
    ],
)
def test_9_1_2_2_1_content_type_goes_before_the_header(
    http: httpx2.Client,
    anywhere: Archive,
    image: Sample,
    content_type: str | None,
    accept: str,
    expected: str,
) -> None:
    others = {} if content_type is None else {"contentType": content_type}
    assert media_type(got(http, uri(anywhere), accept, query(image, **others))) == expected


@pytest.mark.parametrize(
    "content_type",
    [f"application/dicom;transfer-syntax={EXPLICIT}", "text/html;charset=utf-8", "nonsense"],
)
def test_9_1_2_2_1_parameters_of_media_types_are_forbidden(
    http: httpx2.Client, origin: Archive, image: Sample, content_type: str
) -> None:
    response = get(http, uri(origin), params=query(image, contentType=content_type))
    assert problem(response, 400)["parameter"] == "contentType"


@pytest.mark.parametrize("content_type", ["text/html", "video/mp4", "application/dicom+json", "image/jp2"])
def test_9_1_2_2_1_what_it_cannot_be_is_406_and_lists_what_it_can(
    http: httpx2.Client, origin: Archive, image: Sample, content_type: str
) -> None:
    listed = problem(get(http, uri(origin), params=query(image, contentType=content_type)), 406)["available"]
    assert isinstance(listed, list)
    assert {"image/jpeg", "image/png", "image/gif", "application/dicom"} <= {*listed}


@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "text/xml"])
def test_8_7_4_a_report_is_a_text(
    http: httpx2.Client, anywhere: Archive, report: Sample, content_type: str
) -> None:
    response = got(http, uri(anywhere), params=query(report, contentType=content_type, charset="utf-8"))
    assert response.headers["Content-Type"] == f"{content_type}; charset=utf-8"
    assert response.text


def test_9_1_2_2_2_a_character_set_other_than_utf_8_is_400(
    http: httpx2.Client, origin: Archive, report: Sample
) -> None:
    response = get(http, uri(origin), params=query(report, charset="iso-8859-1"))
    assert problem(response, 400)["parameter"] == "charset"


def test_9_4_an_instance_in_dicom_is_what_wado_rs_gives(
    http: httpx2.Client, anywhere: Archive, image: Sample
) -> None:
    """9.4.2.4: in Explicit VR Little Endian where nothing else is asked for."""
    response = got(http, uri(anywhere), params=query(image, contentType=DICOM))
    assert transfer_syntax(response.content) == EXPLICIT
    assert response.headers["Content-Length"] == str(len(response.content))
    by_path = got(http, anywhere.root + image.instance, DICOM)
    assert raw_dataset(response.content) == raw_dataset(by_path.content)


def test_9_4_1_2_3_a_transfer_syntax_is_a_parameter_of_the_query(
    http: httpx2.Client, origin: Archive, image: Sample
) -> None:
    """9.4.2.4: one that there is not is 406 with those that there are, and no UID 400."""
    params = query(image, contentType=DICOM, transferSyntax=RLE)
    assert transfer_syntax(got(http, uri(origin), params=params).content) == RLE
    params["transferSyntax"] = "1.2.840.10008.1.2.4.50"
    listed = problem(get(http, uri(origin), params=params), 406)["available"]
    assert isinstance(listed, list)
    assert f"{DICOM}; transfer-syntax={RLE}" in listed
    params["transferSyntax"] = "explicit/little"
    assert problem(get(http, uri(origin), params=params), 400)["parameter"] == "transferSyntax"


@pytest.mark.parametrize("value", ["yes", "no"])
def test_9_4_1_2_1_nothing_is_anonymized(
    http: httpx2.Client, origin: Archive, image: Sample, value: str
) -> None:
    """And so nothing is given to whoever asks for it (9.4.2.3)."""
    for content_type in (DICOM, "image/jpeg"):
        params = query(image, contentType=content_type, anonymize=value)
        assert problem(get(http, uri(origin), params=params), 400)["parameter"] == "anonymize"


def test_9_5_1_2_1_a_frame_is_one_of_several(http: httpx2.Client, origin: Archive, frames: Sample) -> None:
    """Without a number it is the first, and the answer says so; a GIF has all."""
    for number in ("1", "8", "15"):
        found = got(http, uri(origin), params=query(frames, frameNumber=number, **PNG))
        by_path = got(http, f"{origin.root}{frames.instance}/frames/{number}/rendered", "image/png")
        assert found.content == by_path.content
    first = got(http, uri(origin), params=query(frames, **PNG))
    assert any("the first of 15" in text for text in warnings(first))
    animation = picture(got(http, uri(origin), params=query(frames, contentType="image/gif")).content)
    assert getattr(animation, "n_frames", 1) == 15


@pytest.mark.parametrize("number", ["0", "-1", "16", "1.5", "all", ""])
def test_9_5_2_1_a_frame_that_there_is_not_is_400(
    http: httpx2.Client, origin: Archive, frames: Sample, number: str
) -> None:
    response = get(http, uri(origin), params=query(frames, frameNumber=number))
    assert problem(response, 400)["parameter"] == "frameNumber"


@pytest.mark.parametrize("name", ["annotation", "imageAnnotation"])
def test_9_5_1_2_2_annotations_have_two_names(
    http: httpx2.Client, origin: Archive, image: Sample, name: str
) -> None:
    """Table 9.5.1-1 has the one, the request line of 9.5.1 the other."""
    plain = got(http, uri(origin), params=query(image, **PNG)).content
    annotated = got(http, uri(origin), params=query(image, **PNG, **{name: "patient,technique"})).content
    by_path = got(
        http, f"{origin.root}{image.instance}/rendered", "image/png", {"annotation": "patient,technique"}
    )
    assert annotated == by_path.content != plain


def test_9_5_1_2_3_image_quality(http: httpx2.Client, origin: Archive, image: Sample) -> None:
    best, worst = (
        got(http, uri(origin), params=query(image, imageQuality=value)).content for value in ("100", "1")
    )
    assert len(best) > len(worst)


@pytest.mark.parametrize(
    ("rows", "columns", "size"),
    [("64", "32", (32, 32)), ("256", "300", (256, 256)), ("64", None, (64, 64)), (None, "32", (32, 32))],
)
def test_9_5_1_2_4_rows_and_columns_are_a_viewport(
    http: httpx2.Client,
    origin: Archive,
    image: Sample,
    rows: str | None,
    columns: str | None,
    size: tuple[int, int],
) -> None:
    """9.5.2.5: each is a maximum; where there is one only, the other follows."""
    sides = {name: value for name, value in (("rows", rows), ("columns", columns)) if value is not None}
    assert picture(got(http, uri(origin), params=query(image, **PNG, **sides)).content).size == size


def test_9_5_1_2_5_a_region_is_a_part_of_the_image(
    http: httpx2.Client, origin: Archive, image: Sample
) -> None:
    """9.5.2.4: of the size that it has in the image, or scaled to the viewport."""
    whole = pixels(got(http, uri(origin), params=query(image, **PNG)).content)
    part = pixels(got(http, uri(origin), params=query(image, region="0.25,0.5,0.5,1", **PNG)).content)
    assert np.array_equal(part, whole[64:128, 32:64])
    params = query(image, region="0.25,0.5,0.5,1", rows="128", columns="128", **PNG)
    assert picture(got(http, uri(origin), params=params).content).size == (64, 128)


def test_9_5_1_2_6_a_window_has_a_center_and_a_width(
    http: httpx2.Client, origin: Archive, image: Sample
) -> None:
    params = query(image, windowCenter="40.5", windowWidth="400", **PNG)
    by_path = got(http, f"{origin.root}{image.instance}/rendered", "image/png", {"window": "40.5,400,linear"})
    assert got(http, uri(origin), params=params).content == by_path.content


PRESENTATION: Final = {"presentationSeriesUID": "1.2.3", "presentationUID": "1.2.3.4"}
WRONG: Final = (
    ({"windowCenter": "40"}, "windowWidth"),
    ({"windowWidth": "40"}, "windowCenter"),
    ({"windowCenter": "x", "windowWidth": "40"}, "windowCenter"),
    ({"windowCenter": "40", "windowWidth": "0"}, "windowWidth"),
    ({"windowCenter": "40", "windowWidth": "400", "contentType": DICOM}, "windowCenter"),
    ({"windowCenter": "40", "windowWidth": "400", **PRESENTATION}, "windowCenter"),
    ({"frameNumber": "1", **PRESENTATION}, "frameNumber"),
    ({"region": "0,0,1,1", **PRESENTATION}, "region"),
    ({"presentationUID": "1.2.3.4"}, "presentationSeriesUID"),
    ({"presentationSeriesUID": "1.2.3"}, "presentationUID"),
    ({"rows": "0"}, "rows"),
    ({"rows": "1", "columns": "16385"}, "columns"),
    ({"region": "0,0,1"}, "region"),
    ({"region": "0,0,1,1.1"}, "region"),
    ({"region": "0.5,0,0.5,1"}, "region"),
    ({"imageQuality": "0"}, "imageQuality"),
    ({"imageQuality": "101"}, "imageQuality"),
    ({"annotation": ""}, "annotation"),
)


@pytest.mark.parametrize(("others", "parameter"), WRONG)
def test_9_5_2_a_parameter_that_cannot_be_is_400_and_named(
    http: httpx2.Client, origin: Archive, image: Sample, others: dict[str, str], parameter: str
) -> None:
    """9.5.2.2 and 9.5.2.3 among them: beside a presentation state there is no window, frame or region."""
    response = get(http, uri(origin), params=query(image, **others))
    assert problem(response, 400)["parameter"] == parameter


def test_9_5_2_a_parameter_twice_is_400(http: httpx2.Client, origin: Archive, frames: Sample) -> None:
    for name in ("frameNumber", "rows", "objectUID"):
        response = http.get(uri(origin), params={**query(frames), name: ["1", "2"]})
        assert problem(response, 400)["parameter"] == name


def test_9_5_1_2_7_a_presentation_state_changes_the_picture(
    http: httpx2.Client, empty_orthanc: Orthanc, tmp_path: Path
) -> None:
    """`presentationSeriesUID` and `presentationUID`; 9.5.2.3: one that there is not is 400."""
    ds = gray([50], study="1.2.826.9.5", series="1.2.826.9.5.1")
    files = {name: tmp_path / name for name in ("image", "state")}
    files["image"].write_bytes(written(ds))
    files["state"].write_bytes(inverting(ds))
    empty_orthanc.load(files.values())
    image, state = (Sample(file) for file in files.values())
    there = {
        "presentationSeriesUID": state.who.series_instance_uid,
        "presentationUID": state.who.sop_instance_uid,
    }
    url = "/aets/empty/wado"
    assert {*pixels(got(http, url, params=query(image, **PNG)).content).flat} == {50}
    assert {*pixels(got(http, url, params=query(image, **PNG, **there)).content).flat} == {205}
    response = get(http, url, params=query(image, **PNG, **{**there, "presentationUID": UNKNOWN}))
    assert problem(response, 400)["parameter"] == "presentationUID"
