"""What viewers and scripts ask, written for other servers: OHIF as seen on the wire, curl, browsers."""

import json
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx2
import pydicom
import pytest

from isthmus.cli.embedded.gateway import CADDYFILE
from tests.data_sets import identity, transfer_syntax
from tests.system.conformance.answers import Match, all_values, keywords, matches, parts, value, values
from tests.system.conformance.archive import Archive

STUDY_LIST: Final = "limit=101&offset=0&fuzzymatching=true&includefield=00081030%2C00080060"
OCTETS: Final = "application/octet-stream"
FRAMES: Final = f'multipart/related; type="{OCTETS}"; transfer-syntax="*"'
DICOM_PARTS: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'


@pytest.fixture
def path(ct: Path) -> str:
    """The resource of a CT image, below a root."""
    who = identity(ct)
    series = f"studies/{who.study_instance_uid}/series/{who.series_instance_uid}"
    return f"{series}/instances/{who.sop_instance_uid}"


def studies(http: httpx2.Client, archive: Archive) -> list[Match]:
    """The study list of OHIF."""
    found = matches(http.get(f"{archive.root}/studies?{STUDY_LIST}"))
    return [match for match in found if value(match, "StudyInstanceUID") in archive.uids("studies")]


def test_ohif_lists_studies_with_an_attribute_of_series(http: httpx2.Client, anywhere: Archive) -> None:
    """A series attribute (Modality) at the level of studies must not be an error."""
    found = studies(http, anywhere)
    assert all_values(found, "StudyInstanceUID") == anywhere.uids("studies")
    assert all("StudyDescription" in keywords(match) for match in found)
    assert all("Modality" not in keywords(match) for match in found)


def test_ohif_is_given_the_modalities_of_each_study_that_has_any(
    http: httpx2.Client, anywhere: Archive
) -> None:
    """`{"vr": "CS"}` is legal, and breaks its whole study list: filled in from the series."""
    for match in studies(http, anywhere):
        held = anywhere.where(StudyInstanceUID=value(match, "StudyInstanceUID"))
        assert {*values(match, "ModalitiesInStudy")} == held.texts("Modality") - {""}


def test_ohif_finds_the_studies_of_a_patient(http: httpx2.Client, anywhere: Archive) -> None:
    """`/studies?00100020=...`."""
    found = matches(http.get(f"{anywhere.root}/studies?00100020=98890234"))
    held = anywhere.where(PatientID="98890234")
    assert all_values(found, "StudyInstanceUID") == held.uids("studies")


def test_ohif_reads_the_series_of_a_study_and_their_metadata(http: httpx2.Client, anywhere: Archive) -> None:
    """`/series?includefield=00080021,00080031,0008103E,00200011`, then `/series/{e}/metadata`."""
    study = "1.3.6.1.4.1.5962.1.1.0.0.0.1196533885.18148.0.133"
    held = anywhere.where(StudyInstanceUID=study)
    url = f"{anywhere.root}/studies/{study}/series"
    series = matches(http.get(f"{url}?includefield=00080021,00080031,0008103E,00200011"))
    assert all_values(series, "SeriesInstanceUID") == held.uids("series")
    if "SeriesDate" not in anywhere.silent:
        assert all_values(series, "SeriesDate") == held.texts("SeriesDate") - {""}
    for each in held.uids("series"):
        response = http.get(f"{url}/{each}/metadata", headers={"Accept": "application/dicom+json"})
        of_series = held.where(SeriesInstanceUID=each)
        assert all_values(matches(response), "SOPInstanceUID") == of_series.uids("instances")


def test_ohif_reads_a_frame_as_it_is_held(
    http: httpx2.Client, anywhere: Archive, ct: Path, path: str
) -> None:
    """`/frames/1` with `transfer-syntax="*"`, quoted; the part tells its media type, syntax and length."""
    response = http.get(f"{anywhere.root}/{path}/frames/1", headers={"Accept": FRAMES})
    assert response.status_code == 200
    (part,) = parts(response, OCTETS)
    assert part.content == pydicom.dcmread(ct).PixelData
    assert part.headers.get_content_type() == OCTETS
    assert part.headers.get_param("transfer-syntax") == transfer_syntax(ct)
    assert part.headers["Content-Length"] == str(len(part.content))


def test_objects_come_as_parts_that_tell_their_transfer_syntax_and_length(
    http: httpx2.Client, anywhere: Archive, ct: Path, path: str
) -> None:
    response = http.get(f"{anywhere.root}/{path}", headers={"Accept": DICOM_PARTS})
    (part,) = parts(response, "application/dicom")
    assert part.headers.get_content_type() == "application/dicom"
    assert part.headers.get_param("transfer-syntax") == transfer_syntax(ct)
    assert part.headers["Content-Length"] == str(len(part.content))
    assert pydicom.dcmread(BytesIO(part.content)).PixelData == pydicom.dcmread(ct).PixelData


def test_boundaries_are_random(http: httpx2.Client, anywhere: Archive, path: str) -> None:
    answers = [http.get(f"{anywhere.root}/{path}", headers={"Accept": DICOM_PARTS}) for _ in range(3)]
    boundaries = {answer.headers["Content-Type"].partition("boundary=")[2] for answer in answers}
    assert len(boundaries) == 3
    assert all(len(boundary) >= 16 for boundary in boundaries)


@pytest.mark.parametrize("accept", ["*/*", None])
@pytest.mark.parametrize("level", ["studies", "series", "instances"])
def test_curl_gets_dicom_and_no_error(
    http: httpx2.Client, anywhere: Archive, ct: Path, path: str, accept: str | None, level: str
) -> None:
    """`Accept: */*` is what curl sends; nothing at all is taken for the same."""
    resource = {"studies": "/series/", "series": "/instances/", "instances": "?"}[level]
    url = f"{anywhere.root}/{path.partition(resource)[0]}"
    headers = {"Accept": accept} if accept else {}
    response = http.get(url, headers=headers)
    assert response.status_code == 200
    (part,) = parts(response, "application/dicom")
    assert pydicom.dcmread(BytesIO(part.content)).PixelData == pydicom.dcmread(ct).PixelData


def test_browsers_read_pictures_that_they_name_in_any_order(
    http: httpx2.Client, anywhere: Archive, path: str
) -> None:
    """What Chromium sends for `<img>`."""
    accept = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
    for resource in ("rendered", "thumbnail", "frames/1/rendered"):
        response = http.get(f"{anywhere.root}/{path}/{resource}", headers={"Accept": accept})
        assert response.status_code == 200
        assert response.headers["Content-Type"] in {"image/jpeg", "image/png", "image/gif"}


def test_urls_in_answers_lead_back_though_the_client_leaves_out_the_port(
    http: httpx2.Client, origin: Archive, path: str
) -> None:
    """dicomweb-client sends `Host: 127.0.0.1` wherever the gateway is."""
    where = urlsplit(str(http.base_url))
    connection = HTTPConnection(str(where.hostname), where.port)
    connection.request("GET", f"{origin.root}/{path}/metadata", headers={"Host": str(where.hostname)})
    (described,) = json.loads(connection.getresponse().read())
    connection.close()
    assert http.get(described["7FE00010"]["BulkDataURI"]).status_code == 200


def test_ohif_is_configured_for_all_origins() -> None:
    """It is served at `/`, with COOP, COEP and the wasm media type: tests/cli/embedded/test_gateway.py."""
    settings = (CADDYFILE.resolve().parent / "viewer" / "app-config.js").read_text()
    for root in ("qidoRoot: '/dicomweb'", "wadoRoot: '/dicomweb'", "wadoUriRoot: '/dicomweb/wado'"):
        assert root in settings
