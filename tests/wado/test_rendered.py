"""Rendered studies, series, instances and frames (PS3.18 10.4.1.1.3)."""

import re
from io import BytesIO
from pathlib import Path
from typing import Final

import httpx2
import numpy as np
import pytest
from PIL import Image

from isthmus.common.blobs import BlobStore
from isthmus.common.messages import Failure, MissingInstance
from tests.data_sets import identity
from tests.wado.bodies import broken_body, parts_of
from tests.wado.conftest import Employ
from tests.wado.objects import PDF, VIDEO, bomb, damaged, file_of, gray, inverting, pdf, video, written
from tests.wado.urls import instance_of, series_of
from tests.wado.worker import Job, Script

STUDY: Final = "1.2.826.1"
SERIES: Final = "1.2.826.1.1"


def delivers(*files: Path | bytes) -> Script:
    async def deliver(job: Job) -> None:
        wanted = [file for file in files if job.wanted.instance in {None, identity(file).sop_instance_uid}]
        await job.deliver(*wanted)
        await job.end()

    return deliver


def url_of(content: bytes) -> str:
    who = identity(content)
    return f"{who.study_instance_uid}/series/{who.series_instance_uid}/instances/{who.sop_instance_uid}"


def accepting(media_type: str) -> dict[str, str]:
    return {"Accept": media_type}


def level_of(content: bytes) -> int:
    """The level of a picture of one level."""
    pixels = np.asarray(Image.open(BytesIO(content)).convert("L"))
    assert int(pixels.max()) - int(pixels.min()) <= 1
    return int(pixels[0, 0])


@pytest.fixture
def frames() -> bytes:
    """Three frames, of levels 0, 100 and 200."""
    return written(gray([0, 100, 200], study=STUDY, series=SERIES))


async def test_8_7_4_an_image_is_a_jpeg_unless_asked_otherwise(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    employ(delivers(series[0]))
    for accept, media_type in (
        ("*/*", "image/jpeg"),
        ("image/*", "image/jpeg"),
        ("image/jpeg", "image/jpeg"),
        ("image/png", "image/png"),
        ("image/gif", "image/gif"),
        ("image/webp, image/png;q=0.5, image/jpeg;q=0.4", "image/png"),
        ("text/html,application/xhtml+xml,image/avif,image/webp,*/*;q=0.8", "image/jpeg"),
    ):
        response = await client.get(f"{instance_of(series[0])}/rendered", headers=accepting(accept))
        assert response.status_code == 200
        assert response.headers["Content-Type"] == media_type
        assert response.headers["Content-Length"] == str(len(response.content))
        picture = Image.open(BytesIO(response.content))
        assert (f"image/{str(picture.format).lower()}", picture.size) == (media_type, (16, 16))
        assert "Warning" not in response.headers


async def test_8_7_8_1_what_an_image_cannot_be_is_406_and_tells_what_it_can(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    employ(delivers(series[0]))
    for accept in ("text/html", "application/dicom", "image/webp", "video/mp4"):
        response = await client.get(f"{instance_of(series[0])}/rendered", headers=accepting(accept))
        assert response.status_code == 406
        assert {"image/jpeg", "image/png", "image/gif"} <= set(response.json()["available"])


async def test_8_3_5_1_a_wrong_parameter_is_400_and_the_next_request_is_served(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    employ(delivers(series[0]))
    url = f"{instance_of(series[0])}/rendered"
    for query, parameter in (
        ("window=40,0,linear", "window"),
        ("viewport=16385,10", "viewport"),
        ("viewport=10,10,1000,1000,5,5", "viewport"),
        ("quality=0", "quality"),
        ("quality=1&quality=2", "quality"),
        ("iccprofile=lab", "iccprofile"),
        ("annotation=", "annotation"),
        ("iccprofile=srgb&accept=image/gif", "iccprofile"),
    ):
        response = await client.get(f"{url}?{query}")
        assert response.status_code == 400
        assert response.json()["parameter"] == parameter
    # 8.7.6: the parameter goes before the header; 8.3.5.1.1: what is not supported is told.
    response = await client.get(f"{url}?accept=image/png&annotation=patient,weather")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "image/png"
    assert "The following annotation values are not supported: weather" in response.headers["Warning"]


async def test_8_3_5_1_the_parameters_change_the_picture(
    client: httpx2.AsyncClient, employ: Employ, frames: bytes
) -> None:
    employ(delivers(frames))
    url, png = f"{url_of(frames)}/frames/2/rendered", accepting("image/png")
    assert level_of((await client.get(url, headers=png)).content) == 100
    windowed = await client.get(f"{url}?window=100,400,linear-exact", headers=png)
    assert level_of(windowed.content) == 128
    small = await client.get(f"{url}?viewport=6,6", headers=png)
    assert Image.open(BytesIO(small.content)).size == (6, 4)
    region = await client.get(f"{url}?viewport=8,8,0,0,4,4", headers=png)
    assert Image.open(BytesIO(region.content)).size == (8, 8)


async def test_of_several_frames_a_gif_has_all_and_one_picture_is_the_first_and_says_so(
    client: httpx2.AsyncClient, employ: Employ, frames: bytes
) -> None:
    employ(delivers(frames))
    response = await client.get(f"{url_of(frames)}/rendered", headers=accepting("image/png"))
    assert response.status_code == 200
    assert level_of(response.content) == 0
    assert "the first of 3 pictures" in response.headers["Warning"]
    response = await client.get(f"{url_of(frames)}/rendered", headers=accepting("image/gif"))
    assert getattr(Image.open(BytesIO(response.content)), "n_frames", 1) == 3
    assert "Warning" not in response.headers


async def test_more_frames_than_an_animation_may_have_are_413_and_each_is_a_part_all_the_same(
    client: httpx2.AsyncClient, employ: Employ
) -> None:
    image = written(gray([7] * 10_001, study=STUDY, series=SERIES, rows=1, columns=1))
    employ(delivers(image))
    url = f"{url_of(image)}/rendered"
    response = await client.get(url, headers=accepting("image/gif"))
    assert response.status_code == 413
    assert "too many frames" in response.json()["detail"]
    response = await client.get(url, headers=accepting("image/jpeg"))
    assert "the first of 10001 pictures" in response.headers["Warning"]
    parts = accepting('multipart/related; type="image/jpeg"')
    async with client.stream("GET", url, headers=parts) as response:
        assert response.status_code == 200


async def test_of_several_frames_each_is_a_part(
    client: httpx2.AsyncClient, employ: Employ, frames: bytes
) -> None:
    employ(delivers(frames))
    multipart = accepting('multipart/related; type="image/png"')
    response = await client.get(f"{url_of(frames)}/rendered", headers=multipart)
    parts = parts_of(response)
    assert [level_of(part.content) for part in parts] == [0, 100, 200]
    assert response.headers["Content-Type"].startswith('multipart/related; type="image/png"')
    for number, part in enumerate(parts, 1):
        assert part.headers["Content-Type"] == "image/png"
        assert part.headers["Content-Length"] == str(len(part.content))
        url = part.headers["Content-Location"]
        assert url == str(client.base_url.join(f"{url_of(frames)}/frames/{number}/rendered"))
        assert (await client.get(url, headers=accepting("image/png"))).content == part.content


async def test_10_4_1_1_3_frames_come_in_the_order_asked_for(
    client: httpx2.AsyncClient, employ: Employ, frames: bytes
) -> None:
    employ(delivers(frames))
    listed = {"0": 400, "x": 400, "1,": 400, "-1": 400, "4": 404, "1,4": 404}
    for numbers, status in listed.items():
        response = await client.get(f"{url_of(frames)}/frames/{numbers}/rendered")
        assert response.status_code == status
        assert (response.json().get("parameter") == "frames") is (status == 400)
    response = await client.get(f"{url_of(frames)}/frames/3,1,3/rendered", headers=accepting("image/png"))
    assert [level_of(part.content) for part in parts_of(response)] == [200, 0, 200]


async def test_a_series_is_a_part_for_each_image(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    employ(delivers(*series))
    response = await client.get(f"{series_of(series[0])}/rendered", headers=accepting("image/jpeg"))
    assert response.status_code == 200
    locations = [part.headers["Content-Location"] for part in parts_of(response)]
    assert locations == [str(client.base_url.join(f"{instance_of(file)}/rendered")) for file in series]


async def test_10_4_3_1_a_study_is_a_part_for_each_and_what_cannot_be_rendered_so_makes_a_206(
    client: httpx2.AsyncClient, employ: Employ, frames: bytes
) -> None:
    employ(delivers(pdf(STUDY, "1.2.826.1.2"), frames))
    response = await client.get(f"{STUDY}/rendered", headers=accepting("image/png, application/pdf"))
    parts = parts_of(response)
    assert response.status_code == 200
    assert [part.headers["Content-Type"] for part in parts] == ["application/pdf"] + ["image/png"] * 3
    assert parts[0].content == PDF
    response = await client.get(f"{STUDY}/rendered", headers=accepting("image/png"))
    assert response.status_code == 206
    assert "1 of 2 instances cannot be rendered so" in response.headers["Warning"]
    assert len(parts_of(response)) == 3


async def test_a_study_of_which_nothing_can_be_rendered_so_is_406(
    client: httpx2.AsyncClient, employ: Employ, frames: bytes
) -> None:
    employ(delivers(frames, pdf(STUDY, "1.2.826.1.2")))
    response = await client.get(f"{STUDY}/rendered", headers=accepting("video/mp4"))
    assert response.status_code == 406
    assert {"image/jpeg", "application/pdf"} <= set(response.json()["available"])


async def test_10_4_3_1_what_the_origin_did_not_deliver_makes_a_206(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    failure = Failure("NotDelivered", "lost", "pacs")

    async def deliver(job: Job) -> None:
        missing = MissingInstance(
            identity(series[1]).series_instance_uid, identity(series[1]).sop_instance_uid
        )
        await job.lack(missing, failure=failure)
        await job.deliver(series[0], series[2])
        await job.end(missing, failure=failure)

    employ(deliver)
    response = await client.get(f"{series_of(series[0])}/rendered")
    assert response.status_code == 206
    assert len(parts_of(response)) == 2


async def test_damaged_pixels_are_406_and_name_the_instance(
    client: httpx2.AsyncClient, employ: Employ, frames: bytes
) -> None:
    broken = damaged(STUDY, SERIES)
    employ(delivers(broken, frames))
    for resource in ("rendered", "frames/1/rendered", "thumbnail"):
        response = await client.get(f"{url_of(broken)}/{resource}")
        assert response.status_code == 406, resource
        assert response.json()["instance"] == identity(broken).sop_instance_uid
        assert response.json()["type"].endswith("pixels-unreadable")
    assert (await client.get(f"{url_of(frames)}/rendered")).status_code == 200


async def test_damaged_pixels_behind_good_ones_break_the_body_off(
    client: httpx2.AsyncClient, employ: Employ, frames: bytes
) -> None:
    employ(delivers(frames, damaged(STUDY, SERIES)))
    content_type, body = await broken_body(client, f"{STUDY}/rendered", accepting("image/png"))
    found = re.search(r"boundary=(\w+)", content_type)
    assert found
    assert f"--{found[1]}--".encode() not in body


async def test_pixels_that_would_be_larger_than_the_limit_are_413(
    client: httpx2.AsyncClient, employ: Employ, frames: bytes
) -> None:
    large = bomb(STUDY, SERIES)
    employ(delivers(large, frames))
    response = await client.get(f"{url_of(large)}/rendered")
    assert response.status_code == 413
    assert response.json()["instance"] == identity(large).sop_instance_uid
    assert (await client.get(f"{url_of(frames)}/rendered")).status_code == 200


async def test_what_has_no_whole_pixels_and_no_document_is_406_and_names_the_instance(
    client: httpx2.AsyncClient, employ: Employ
) -> None:
    files = [file_of(name) for name in ("rtplan.dcm", "waveform_ecg.dcm", "MR_truncated.dcm")]
    employ(delivers(*files))
    for file in files:
        for resource in ("rendered", "frames/1/rendered", "thumbnail"):
            response = await client.get(f"{instance_of(file)}/{resource}")
            assert response.status_code == 406, resource
            assert response.json()["instance"] == identity(file).sop_instance_uid
            assert response.json()["available"]


async def test_8_7_4_a_report_is_a_page_unless_asked_otherwise_and_no_image(
    client: httpx2.AsyncClient, employ: Employ
) -> None:
    file = file_of("test-SR.dcm")
    employ(delivers(file))
    for accept, media_type in (
        ("*/*", "text/html"),
        ("text/html", "text/html"),
        ("text/plain", "text/plain"),
        ("text/xml", "text/xml"),
        ("image/jpeg, text/*;q=0.1", "text/html"),
    ):
        response = await client.get(f"{instance_of(file)}/rendered", headers=accepting(accept))
        assert response.status_code == 200
        assert response.headers["Content-Type"] == f"{media_type}; charset=utf-8"
        assert "Diameter" in response.text
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    response = await client.get(f"{instance_of(file)}/rendered", headers=accepting("image/jpeg"))
    assert response.status_code == 406
    assert {"text/html", "text/plain", "text/xml"} <= set(response.json()["available"])


async def test_a_presentation_state_is_the_image_that_it_is_about_as_it_says_that_it_looks(
    client: httpx2.AsyncClient, employ: Employ
) -> None:
    ds = gray([50, 100], study=STUDY, series=SERIES)
    state = inverting(ds)
    employ(delivers(written(ds), state))
    url = f"{url_of(state)}/rendered"
    response = await client.get(url, headers=accepting("image/png"))
    assert level_of(response.content) == 205
    assert "the first of 2 pictures" in response.headers["Warning"]
    both = await client.get(url, headers=accepting('multipart/related; type="image/png"'))
    assert [level_of(part.content) for part in parts_of(both)] == [205, 155]
    for query, parameter in {"window=1,1,linear": "window", "viewport=9,9,1,1,1,1": "viewport"}.items():
        refused = await client.get(f"{url}?{query}")
        assert (refused.status_code, refused.json()["parameter"]) == (400, parameter)
    assert (await client.get(url, headers=accepting("text/html"))).status_code == 406


async def test_a_video_is_itself_and_no_image(client: httpx2.AsyncClient, employ: Employ) -> None:
    content = video(STUDY, SERIES)
    employ(delivers(content))
    for accept in ("*/*", "video/mp4"):
        response = await client.get(f"{url_of(content)}/rendered", headers=accepting(accept))
        assert (response.status_code, response.headers["Content-Type"]) == (200, "video/mp4")
        assert response.content == VIDEO
    for resource in ("rendered?accept=image/jpeg", "frames/1/rendered", "thumbnail"):
        response = await client.get(f"{url_of(content)}/{resource}", headers=accepting("image/jpeg"))
        assert response.status_code == 406
        assert "video/mp4" in response.json()["available"]


async def test_8_7_4_a_document_is_itself(client: httpx2.AsyncClient, employ: Employ) -> None:
    document = pdf(STUDY, SERIES)
    employ(delivers(document))
    response = await client.get(f"{url_of(document)}/rendered")
    assert response.headers["Content-Type"] == "application/pdf"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.content == PDF
    some = await client.get(f"{url_of(document)}/rendered", headers={"Range": "bytes=1-3"})
    assert (some.status_code, some.content) == (206, b"PDF")


async def test_what_a_client_has_already_is_not_made_again(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    employ(delivers(series[0]))
    url = f"{instance_of(series[0])}/rendered"
    first = await client.get(url)
    again = await client.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    for other in (f"{url}?quality=50", f"{url}?accept=image/png"):
        assert (await client.get(other)).headers["ETag"] != first.headers["ETag"]


async def test_head_tells_the_same_without_a_body(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    employ(delivers(*series))
    for url in (f"{instance_of(series[0])}/rendered", f"{series_of(series[0])}/rendered"):
        head, full = await client.head(url), await client.get(url)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers.get("ETag") == full.headers.get("ETag")
        kind = full.headers["Content-Type"].partition("boundary")[0]
        assert head.headers["Content-Type"].startswith(kind)


async def test_a_picture_without_parameters_is_kept_and_one_with_is_not(
    client: httpx2.AsyncClient,
    other_client: httpx2.AsyncClient,
    employ: Employ,
    blobs: BlobStore,
    origin_name: str,
) -> None:
    image = written(gray([50], study=STUDY, series=SERIES))
    employ(delivers(image))

    async def kept() -> list[str]:
        return [each.key async for each in blobs.list(f"derived/{origin_name}/") if "rendered" in each.key]

    await client.get(f"{url_of(image)}/rendered?quality=50")
    assert not await kept()
    first = await client.get(f"{url_of(image)}/rendered")
    (key,) = await kept()
    assert await blobs.get(key) == first.content
    await blobs.put(key, b"kept")
    assert (await other_client.get(f"{url_of(image)}/rendered")).content == b"kept"
    assert (await client.get(f"{url_of(image)}/thumbnail")).status_code == 200
    assert len(await kept()) == 2
