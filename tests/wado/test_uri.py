"""WADO-URI (PS3.18 9)."""

from collections.abc import Mapping
from io import BytesIO
from typing import Final

import httpx2
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from tests.data_sets import identity, transfer_syntax
from tests.wado.conftest import Employ
from tests.wado.objects import PDF, damaged, file_of, gray, inverting, pdf, written
from tests.wado.test_rendered import delivers, level_of
from tests.wado.test_thumbnail import Origin

STUDY: Final = "1.2.826.3"
SERIES: Final = "1.2.826.3.1"
PNG: Final = {"contentType": "image/png"}


class Uri:
    """Asks for instances."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def __call__(
        self,
        content: bytes,
        others: Mapping[str, str | list[str]] | None = None,
        /,
        accept: str = "*/*",
        **query: str,
    ) -> httpx2.Response:
        who = identity(content)
        uids = {
            "studyUID": who.study_instance_uid,
            "seriesUID": who.series_instance_uid,
            "objectUID": who.sop_instance_uid,
        }
        params = {"requestType": "WADO", **uids, **query, **(others or {})}
        given = {name: value for name, value in params.items() if value != "-"}
        return await self._client.get("../wado", params=given, headers={"Accept": accept})


@pytest.fixture
def uri(client: httpx2.AsyncClient) -> Uri:
    return Uri(client)


@pytest.fixture
def frames() -> bytes:
    """Three frames, of levels 0, 100 and 200."""
    return written(gray([0, 100, 200], study=STUDY, series=SERIES))


async def refused(response: httpx2.Response, parameter: str) -> None:
    assert response.status_code == 400, parameter
    assert response.json()["parameter"] == parameter


async def test_9_1_2_1_whatever_must_be_there_and_is_not_or_twice_is_400(uri: Uri, frames: bytes) -> None:
    for name in ("requestType", "studyUID", "seriesUID", "objectUID"):
        await refused(await uri(frames, {name: "-"}), name)
        await refused(await uri(frames, {name: ""}), name)
        await refused(await uri(frames, {name: ["WADO", "WADO"]}), name)
    await refused(await uri(frames, requestType="RAD"), "requestType")
    for name in ("studyUID", "seriesUID", "objectUID"):
        await refused(await uri(frames, {name: "../1.2"}), name)


WRONG: Final[tuple[tuple[dict[str, str | list[str]], str], ...]] = (
    ({"anonymize": "yes"}, "anonymize"),
    ({"anonymize": "yes", "contentType": "application/dicom"}, "anonymize"),
    ({"anonymize": "no"}, "anonymize"),
    ({"windowCenter": "1"}, "windowWidth"),
    ({"windowWidth": "1"}, "windowCenter"),
    ({"windowCenter": "x", "windowWidth": "1"}, "windowCenter"),
    ({"windowCenter": "1", "windowWidth": "0"}, "windowWidth"),
    ({"windowCenter": "1", "windowWidth": "1", "contentType": "application/dicom"}, "windowCenter"),
    ({"rows": "0", "columns": "1"}, "rows"),
    ({"rows": "1", "columns": "16385"}, "columns"),
    ({"region": "0,0,1"}, "region"),
    ({"region": "0,0,1,1,1"}, "region"),
    ({"region": "0,0,1,1.1"}, "region"),
    ({"region": "0.5,0,0.5,1"}, "region"),
    ({"region": "-0.1,0,0.5,1"}, "region"),
    ({"region": "0,nan,0.5,1"}, "region"),
    ({"frameNumber": "0"}, "frameNumber"),
    ({"frameNumber": "1.5"}, "frameNumber"),
    ({"frameNumber": "4"}, "frameNumber"),
    ({"frameNumber": ["1", "2"]}, "frameNumber"),
    ({"imageQuality": "0"}, "imageQuality"),
    ({"imageQuality": "101"}, "imageQuality"),
    ({"annotation": ""}, "annotation"),
    ({"charset": "ISO-8859-1"}, "charset"),
    ({"transferSyntax": "x/y"}, "transferSyntax"),
    ({"transferSyntax": ["1.2", "1.2"]}, "transferSyntax"),
    ({"contentType": "nonsense"}, "contentType"),
    ({"contentType": "application/dicom;transfer-syntax=1.2"}, "contentType"),
    ({"contentType": "text/html;charset=utf-8"}, "contentType"),
    ({"presentationUID": "1.2"}, "presentationSeriesUID"),
    ({"presentationSeriesUID": "1.2"}, "presentationUID"),
    ({"presentationSeriesUID": "1.2", "presentationUID": "a b"}, "presentationUID"),
)


async def test_9_a_wrong_parameter_is_400_and_named(uri: Uri, employ: Employ, frames: bytes) -> None:
    employ(delivers(frames))
    for query, parameter in WRONG:
        await refused(await uri(frames, query), parameter)


async def test_9_5_1_2_7_beside_a_presentation_state_little_is_allowed(uri: Uri, frames: bytes) -> None:
    presentation = {"presentationSeriesUID": "1.2", "presentationUID": "1.2.3"}
    window = {"windowCenter": "1", "windowWidth": "1"}
    await refused(await uri(frames, **presentation, **window), "windowCenter")
    await refused(await uri(frames, **presentation, frameNumber="1"), "frameNumber")
    await refused(await uri(frames, **presentation, region="0,0,1,1"), "region")


async def test_9_3_without_content_type_an_image_is_a_jpeg_and_a_report_a_page(
    uri: Uri, employ: Employ
) -> None:
    image = written(gray([50], study=STUDY, series=SERIES))
    report = file_of("test-SR.dcm").read_bytes()
    document = pdf(STUDY, SERIES)
    employ(delivers(image, report, document))
    response = await uri(image)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "image/jpeg")
    assert (await uri(image, accept="image/png")).headers["Content-Type"] == "image/png"
    assert (await uri(report)).headers["Content-Type"] == "text/html; charset=utf-8"
    assert (await uri(report, charset="iso-8859-1,utf-8")).headers[
        "Content-Type"
    ] == "text/html; charset=utf-8"
    response = await uri(document)
    assert (response.headers["Content-Type"], response.content) == ("application/pdf", PDF)


async def test_9_1_2_2_1_the_content_type_goes_before_the_header(uri: Uri, employ: Employ) -> None:
    image = written(gray([50], study=STUDY, series=SERIES))
    employ(delivers(image))
    chosen = {
        "image/png": "image/png",
        "image/gif": "image/gif",
        "image/jp2, image/gif;q=0.2, image/png;q=0.1": "image/gif",
        "image/*": "image/jpeg",
    }
    for content_type, expected in chosen.items():
        response = await uri(image, accept="image/jpeg", contentType=content_type)
        assert (response.status_code, response.headers["Content-Type"]) == (200, expected)
    response = await uri(image, accept="text/html", contentType="video/mp4")
    assert response.status_code == 406
    assert "image/jpeg" in response.json()["available"]


async def test_9_4_an_instance_in_dicom(uri: Uri, employ: Employ) -> None:
    held = file_of("MR_small_RLE.dcm").read_bytes()
    employ(delivers(held))
    dicom = {"contentType": "application/dicom"}
    response = await uri(held, **dicom)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("application/dicom")
    assert transfer_syntax(response.content) == ExplicitVRLittleEndian
    assert (
        pydicom.dcmread(BytesIO(response.content)).pixel_array == pydicom.dcmread(BytesIO(held)).pixel_array
    ).all()
    response = await uri(held, **dicom, transferSyntax=RLELossless)
    assert response.content == held
    assert (await uri(held, accept="application/dicom")).status_code == 200
    response = await uri(held, **dicom, transferSyntax="1.2.840.10008.1.2.4.50")
    assert response.status_code == 406
    assert response.json()["available"]


async def test_9_5_1_2_1_a_frame(uri: Uri, employ: Employ, frames: bytes) -> None:
    single = written(gray([50], study=STUDY, series=SERIES))
    employ(delivers(frames, single))
    assert level_of((await uri(frames, **PNG, frameNumber="2")).content) == 100
    assert level_of((await uri(single, **PNG, frameNumber="1")).content) == 50
    await refused(await uri(single, **PNG, frameNumber="2"), "frameNumber")
    response = await uri(frames, **PNG)
    assert level_of(response.content) == 0
    assert "the first of 3 pictures" in response.headers["Warning"]
    response = await uri(frames, contentType="image/gif")
    assert getattr(Image.open(BytesIO(response.content)), "n_frames", 1) == 3


async def test_9_5_1_2_how_a_picture_shall_look(uri: Uri, employ: Employ) -> None:
    ds = gray([0], study=STUDY, series=SERIES)
    ds.PixelData = bytes([0] * 6 + [100] * 6) * 8  # its right half is lighter
    image = written(ds)
    employ(delivers(image))
    plain = await uri(image, **PNG)
    assert Image.open(BytesIO(plain.content)).size == (12, 8)
    assert level_of((await uri(image, **PNG, region="0.5,0,1,1")).content) == 100
    windowed = await uri(image, **PNG, region="0.5,0,1,1", windowCenter="100", windowWidth="401")
    assert level_of(windowed.content) in {127, 128}
    sizes = {("24", "24"): (24, 16), ("4", "24"): (6, 4), ("4", "-"): (6, 4), ("-", "24"): (24, 16)}
    for (rows, columns), expected in sizes.items():
        response = await uri(image, **PNG, rows=rows, columns=columns)
        assert Image.open(BytesIO(response.content)).size == expected
    annotated = await uri(image, **PNG, rows="256", columns="256", annotation="patient,technique")
    bare = await uri(image, **PNG, rows="256", columns="256")
    assert (
        np.asarray(Image.open(BytesIO(annotated.content))).max()
        > np.asarray(Image.open(BytesIO(bare.content))).max()
    )
    noisy = np.random.default_rng(0).integers(0, 255, 96, np.uint8).tobytes()
    assert noisy
    good, bad = [await uri(image, imageQuality=quality) for quality in ("100", "1")]
    assert len(good.content) >= len(bad.content)


async def test_9_5_1_2_7_a_presentation_state_changes_the_picture(uri: Uri, employ: Employ) -> None:
    ds = gray([50], study=STUDY, series=SERIES)
    image, presentation = written(ds), inverting(ds)
    employ(delivers(image, presentation))
    who = identity(presentation)
    asked = {"presentationSeriesUID": who.series_instance_uid, "presentationUID": who.sop_instance_uid}
    assert level_of((await uri(image, **PNG)).content) == 50
    assert level_of((await uri(image, **PNG, **asked)).content) in {204, 205, 206}


async def test_9_5_2_3_a_presentation_state_that_is_none_is_400_and_one_for_another_image_406(
    uri: Uri, employ: Employ
) -> None:
    ds, other = gray([50], study=STUDY, series=SERIES), gray([60], study=STUDY, series=SERIES)
    image, presentation = written(ds), inverting(other)
    employ(delivers(image, presentation))
    itself = {"presentationSeriesUID": SERIES, "presentationUID": str(ds.SOPInstanceUID)}
    await refused(await uri(image, **PNG, **itself), "presentationUID")
    who = identity(presentation)
    asked = {"presentationSeriesUID": who.series_instance_uid, "presentationUID": who.sop_instance_uid}
    response = await uri(image, **PNG, **asked)
    assert response.status_code == 406
    assert response.json()["instance"] == str(ds.SOPInstanceUID)


async def test_9_5_2_3_a_presentation_state_that_there_is_not_is_400(
    uri: Uri, employ: Employ, client: httpx2.AsyncClient
) -> None:
    image = written(gray([50], study=STUDY, series=SERIES))
    employ(Origin(image))
    nothing = {"presentationSeriesUID": "1.2", "presentationUID": "1.2.3"}
    await refused(await uri(image, **PNG, **nothing), "presentationUID")


async def test_what_fails_names_the_instance_and_the_next_request_is_served(
    uri: Uri, employ: Employ, frames: bytes
) -> None:
    broken, plan = damaged(STUDY, SERIES), file_of("rtplan.dcm").read_bytes()
    employ(delivers(broken, plan, frames))
    for content in (broken, plan):
        response = await uri(content, contentType="image/jpeg")
        assert response.status_code == 406
    assert (await uri(broken)).json()["instance"] == identity(broken).sop_instance_uid
    assert (await uri(frames)).status_code == 200


async def test_what_there_is_not_is_404(
    uri: Uri, employ: Employ, client: httpx2.AsyncClient, frames: bytes
) -> None:

    employ(Origin())
    assert (await uri(frames)).status_code == 404
    assert (
        await client.get("../../nowhere/wado?requestType=WADO&studyUID=1&seriesUID=1&objectUID=1")
    ).status_code == 404


async def test_what_a_client_has_is_not_made_again_and_head_has_no_body(
    uri: Uri, client: httpx2.AsyncClient, employ: Employ
) -> None:
    image = written(gray([50], study=STUDY, series=SERIES))
    employ(delivers(image))
    first = await uri(image)
    again = await client.get(str(first.url), headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = await client.head(str(first.url))
    assert (head.status_code, head.headers["ETag"], head.content) == (200, first.headers["ETag"], b"")
