"""The statuses of retrieval (PS3.18 10.4.3.1), and conditional, partial and header requests (RFC 9110)."""

from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx2
import pytest

from tests.data_sets import identity
from tests.system.conformance.answers import matches, parts, value, warnings
from tests.system.conformance.archive import Archive
from tests.system.conformance.samples import (
    DICOM,
    DICOM_PARTS,
    OCTETS,
    Sample,
    get,
    got,
    sample,
)
from tests.system.problem import problem

UNKNOWN: Final = "1.2.3.4.5.6.7.8.9"
RESOURCES: Final = {
    "": DICOM,
    "/metadata": "application/dicom+json",
    "/rendered": "image/jpeg",
    "/thumbnail": "image/jpeg",
    "/frames/1": OCTETS,
    "/frames/1/rendered": "image/png",
    "/bulkdata/7FE00010": OCTETS,
}
"""Of an instance, each in one piece."""
BINARY: Final = {resource: accept for resource, accept in RESOURCES.items() if resource != "/metadata"}


@pytest.fixture(scope="module")
def image(corpus: list[Path]) -> Sample:
    return sample(corpus, "CT_small")


@pytest.fixture
def held(http: httpx2.Client, anywhere: Archive, image: Sample) -> str:
    """The URL of an image of which all of its study has come."""
    got(http, anywhere.root + image.study)
    return anywhere.root + image.instance


@pytest.fixture(scope="module")
def partial(http: httpx2.Client, corpus: list[Path]) -> str:
    """A study of seven instances of which Orthanc cannot send two by C-GET alone."""
    url = f"/aets/orthanc-get{sample(corpus, 'rtdose').study}"
    with suppress(httpx2.RemoteProtocolError):  # the first time nobody knows it before the body is out
        http.get(url)
    return url


def test_10_4_3_1_200_is_all_of_it(http: httpx2.Client, anywhere: Archive, corpus: list[Path]) -> None:
    study = sample(corpus, "rtdose").study.rpartition("/")[2]
    expected = anywhere.where(StudyInstanceUID=study).uids("instances")
    response = http.get(f"{anywhere.root}/studies/{study}/metadata")
    if anywhere.root == "/aets/orthanc-both":
        assert {value(each, "SOPInstanceUID") for each in matches(response)} == expected


def test_10_4_3_1_206_is_some_of_it_and_says_what_is_missing(http: httpx2.Client, partial: str) -> None:
    for resource, accept in {"": DICOM_PARTS, "/metadata": None, "/bulkdata": None}.items():
        response = get(http, partial + resource, accept or "*/*")
        assert response.status_code == 206
        assert any("2 instances are missing" in text for text in warnings(response))
        assert "ETag" not in response.headers
    assert len(get(http, f"{partial}/metadata").json()) == 5
    response = get(http, partial, DICOM_PARTS)
    assert len({identity(part.content) for part in parts(response, DICOM)}) == 5


@pytest.mark.parametrize(
    ("resource", "parameter"),
    [
        ("/studies/1.2*", "StudyInstanceUID"),
        ("/studies/1.2/series/a b", "SeriesInstanceUID"),
        ("/studies/1.2/series/3/instances/%5C/metadata", "SOPInstanceUID"),
        ("{instance}/frames/0", "frames"),
        ("{instance}/frames/1;2", "frames"),
        ("{instance}/frames/1-3", "frames"),
        ("{instance}/frames/,", "frames"),
        ("{instance}/frames/x/rendered", "frames"),
    ],
)
def test_10_4_3_1_400_is_a_request_that_cannot_be_and_names_why(
    http: httpx2.Client, origin: Archive, image: Sample, resource: str, parameter: str
) -> None:
    url = origin.root + resource.format(instance=image.instance)
    assert problem(http.get(url), 400)["parameter"] == parameter


@pytest.mark.parametrize("kind", ["", "/metadata", "/rendered", "/thumbnail", "/bulkdata", "/pixeldata"])
@pytest.mark.parametrize("level", [1, 2, 3], ids=["study", "series", "instance"])
def test_10_4_3_1_404_is_what_there_is_not(
    http: httpx2.Client, origin: Archive, image: Sample, level: int, kind: str
) -> None:
    """A study, a series of another study, an instance of another series."""
    segments = image.instance.split("/")[: 2 * level + 1]
    segments[-1] = UNKNOWN
    problem(http.get(f"{origin.root}{'/'.join(segments)}{kind}"), 404)


def test_10_4_3_1_404_is_a_frame_or_a_value_that_there_is_not(
    http: httpx2.Client, origin: Archive, image: Sample
) -> None:
    for resource in (
        "/frames/2",
        "/frames/1,2",
        "/frames/2/rendered",
        "/frames/2/thumbnail",
        "/bulkdata/00104000",
    ):
        problem(http.get(f"{origin.root}{image.instance}{resource}"), 404)


def test_10_4_3_1_404_and_never_an_empty_200_where_all_origins_cannot_tell(
    http: httpx2.Client, image: Sample
) -> None:
    """Two of them do not answer, so nobody knows that there is no such study: 502."""
    problem(http.get(f"/dicomweb/studies/{UNKNOWN}"), 502)


@pytest.mark.parametrize("resource", RESOURCES)
def test_8_4_what_a_client_has_already_is_304(http: httpx2.Client, held: str, resource: str) -> None:
    """ETag and If-None-Match (RFC 9110 13.1.2)."""
    headers = {"Accept": RESOURCES[resource], "Accept-Encoding": "identity"}
    first = http.get(held + resource, headers=headers)
    again = http.get(held + resource, headers={**headers, "If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    other = http.get(held + resource, headers={**headers, "If-None-Match": '"other"'})
    assert other.content == first.content


def test_8_4_each_representation_has_a_tag_of_its_own(http: httpx2.Client, held: str) -> None:
    """A strong one where it is the same byte for byte; bodies of parts have random boundaries."""
    tags = [got(http, held + resource, accept).headers["ETag"] for resource, accept in RESOURCES.items()]
    tags += [got(http, held, f"{DICOM}; transfer-syntax=1.2.840.10008.1.2.5").headers["ETag"]]
    tags += [got(http, held, DICOM_PARTS).headers["ETag"]]
    tags += [got(http, f"{held}/rendered", params={"quality": "50"}).headers["ETag"]]
    assert len({*tags}) == len(tags)
    assert got(http, held, DICOM_PARTS).headers["ETag"].startswith("W/")


@pytest.mark.parametrize("resource", BINARY)
def test_8_4_a_range_of_a_single_part_is_those_bytes(http: httpx2.Client, held: str, resource: str) -> None:
    """Range and If-Range (RFC 9110 14)."""
    accept = BINARY[resource]
    whole = got(http, held + resource, accept)
    size = len(whole.content)
    for asked, (start, end) in {
        "bytes=10-19": (10, 20),
        "bytes=-5": (size - 5, size),
        "bytes=20-": (20, size),
    }.items():
        headers = {"Accept": accept, "Range": asked}
        response = http.get(held + resource, headers=headers)
        assert response.status_code == 206
        assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{size}"
        assert response.content == whole.content[start:end]
        same = http.get(held + resource, headers={**headers, "If-Range": whole.headers["ETag"]})
        assert same.content == response.content
        changed = http.get(held + resource, headers={**headers, "If-Range": '"other"'})
        assert (changed.status_code, changed.content) == (200, whole.content)
    beyond = http.get(held + resource, headers={"Accept": accept, "Range": f"bytes={size}-"})
    problem(beyond, 416)
    assert beyond.headers["Content-Range"] == f"bytes */{size}"


@pytest.mark.parametrize("resource", [*RESOURCES, "/bulkdata", "/pixeldata"])
def test_8_4_head_is_the_same_without_a_body(http: httpx2.Client, held: str, resource: str) -> None:
    headers = {"Accept": RESOURCES.get(resource, "*/*"), "Accept-Encoding": "identity"}
    head, whole = http.head(held + resource, headers=headers), http.get(held + resource, headers=headers)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("ETag", "Content-Type", "Content-Location"):
        if "boundary" not in whole.headers.get(name, ""):
            assert head.headers.get(name) == whole.headers.get(name)
    if "Content-Length" in head.headers:
        assert head.headers["Content-Length"] == str(len(whole.content))


@pytest.mark.parametrize(("resource", "coding"), [("/metadata", "gzip"), ("", None), ("/rendered", None)])
def test_8_4_json_is_compressed_and_what_is_compressed_already_is_not(
    http: httpx2.Client, held: str, resource: str, coding: str | None
) -> None:
    headers = {"Accept": RESOURCES[resource], "Accept-Encoding": "gzip"}
    response = http.get(held + resource, headers=headers)
    assert response.headers.get("Content-Encoding") == coding
    plain = http.get(held + resource, headers={**headers, "Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.content == response.content
    again = http.get(held + resource, headers={**headers, "If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304


def test_8_4_2_a_single_part_says_how_long_it_is_and_where_it_is(http: httpx2.Client, held: str) -> None:
    """Content-Length, and Content-Location of what has a URL of its own."""
    for resource, accept in BINARY.items():
        response = got(http, held + resource, accept)
        assert response.headers["Content-Length"] == str(len(response.content))
    for resource in ("/frames/1", "/bulkdata/7FE00010"):
        location = got(http, held + resource, OCTETS).headers["Content-Location"]
        assert location == f"{str(http.base_url).rstrip('/')}{held}{resource}"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("resource", ["/metadata", "/rendered", "/frames/1", "/bulkdata/7FE00010"])
def test_8_1_1_1_another_method_is_405(http: httpx2.Client, held: str, resource: str, method: str) -> None:
    response = http.request(method, held + resource)
    problem(response, 405)
    assert "GET" in response.headers["Allow"]
