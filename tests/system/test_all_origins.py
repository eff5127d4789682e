"""All origins as one: two PACS, each of them three origins, an archive, a receiver, and one that is down."""

from collections import Counter
from pathlib import Path
from typing import Final

import httpx2
import pytest

from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson
from tests.data_sets import identity, make_series, raw_datasets
from tests.peers import Dcmqrscp, Orthanc
from tests.system.multipart import INSTANCES, PAYLOAD, datasets, payload
from tests.system.problem import problem

UNKNOWN: Final = "1.2.3.4.5.6.7.8.9"
NO_ANSWER: Final = {"nowhere", "receiver"}
"""One is down, the other only stores."""


def silent(response: httpx2.Response) -> set[str]:
    """The origins of which the warnings say that they are not included."""
    texts = [text.partition(": ")[2] for text in response.headers.get_list("warning")]
    return {text.split()[2] for text in texts if "is not included: " in text}


def search(http: httpx2.Client, path: str) -> list[DicomJson]:
    response = http.get(f"/dicomweb/{path}")
    assert response.status_code == 200, response.text
    assert silent(response) == NO_ANSWER
    matches: list[DicomJson] = response.json()
    return matches


def values(match: DicomJson, keyword: str) -> list[object]:
    return list(match[tag_of(keyword)].get("Value", []))


def studies(matches: list[DicomJson]) -> list[object]:
    """The UIDs of studies; dcmqrscp holds files that have none."""
    return [uid for match in matches for uid in values(match, "StudyInstanceUID")]


def retrieved(http: httpx2.Client, path: str, root: str = "/dicomweb") -> dict[str, bytes]:
    """The data sets of a study, series or instance, each of them once."""
    response = http.get(f"{root}/{path}", headers={"Accept": INSTANCES})
    assert response.status_code == 200, response.text
    assert silent(response) == (NO_ANSWER if root == "/dicomweb" else set())
    return datasets(response.content, response.headers["content-type"])


def paths(file: Path) -> tuple[str, str, str]:
    """The study, series and instance of a file."""
    who = identity(file)
    study = f"studies/{who.study_instance_uid}"
    series = f"{study}/series/{who.series_instance_uid}"
    return study, series, f"{series}/instances/{who.sop_instance_uid}"


def test_a_search_finds_the_studies_of_all_pacs_once(
    http: httpx2.Client, orthanc: Orthanc, dcmqrscp: Dcmqrscp
) -> None:
    found = Counter(studies(search(http, "studies?limit=500")))
    for pacs in (orthanc, dcmqrscp):
        assert {study for study in pacs.listing() if study} <= set(found)
    # Orthanc gives a study twice whose UID two patients share.
    alone = Counter(studies(http.get("/aets/orthanc-both/studies?limit=500").json()))
    assert {study for study, times in found.items() if times > 1} == {
        study for study, times in alone.items() if times > 1
    }


def test_a_match_tells_where_it_is(
    http: httpx2.Client, orthanc: Orthanc, dcmqrscp: Dcmqrscp, ct: Path
) -> None:
    study, series, _ = paths(ct)
    (match,) = search(http, f"studies?StudyInstanceUID={identity(ct).study_instance_uid}")
    assert values(match, "RetrieveAETitle") == [orthanc.peer.ae_title, dcmqrscp.peer.ae_title]
    assert values(match, "RetrieveURL") == [f"{http.base_url}/dicomweb/{study}"]
    assert len(search(http, f"{study}/series")) == 1
    assert len(search(http, f"{series}/instances")) == 1


def test_pages_follow_each_other(http: httpx2.Client) -> None:
    pages = [search(http, f"studies?limit=10&offset={offset}") for offset in (0, 10, 20)]
    assert studies([match for page in pages for match in page]) == studies(search(http, "studies?limit=30"))


@pytest.mark.parametrize("level", [0, 1, 2], ids=["study", "series", "instance"])
def test_what_any_of_them_has_is_retrieved(http: httpx2.Client, ct: Path, level: int) -> None:
    path = paths(ct)[level]
    found = retrieved(http, path)
    assert list(found) == [identity(ct).sop_instance_uid]
    assert found == retrieved(http, path, "/aets/orthanc-move")


def test_a_study_in_two_archives_is_retrieved_whole(
    http: httpx2.Client, empty_orthanc: Orthanc, mr: Path, tmp_path: Path
) -> None:
    study = identity(mr).study_instance_uid
    others = make_series(tmp_path, 2, study_uid=study, seed=4711)
    body = payload(file.read_bytes() for file in others)
    stored = http.post("/aets/empty/studies", content=body, headers={"Content-Type": PAYLOAD})
    assert stored.status_code == 200, stored.text
    assert len(empty_orthanc.held()) == 2
    found = retrieved(http, f"studies/{study}")
    assert found == {**retrieved(http, f"studies/{study}", "/aets/orthanc-move"), **raw_datasets(others)}
    assert len(found) > 2
    for file in (mr, others[0]):
        assert identity(file).sop_instance_uid in retrieved(http, paths(file)[1])
    (match,) = search(http, f"studies?StudyInstanceUID={study}")
    assert empty_orthanc.peer.ae_title in values(match, "RetrieveAETitle")
    assert set(values(match, "ModalitiesInStudy")) == {"MR", "CT"}


def test_whatever_is_made_of_an_instance_is_there_too(http: httpx2.Client, ct: Path) -> None:
    study, series, instance = paths(ct)
    (described,) = http.get(f"/dicomweb/{series}/metadata").json()
    uri = described["7FE00010"]["BulkDataURI"]
    assert uri.startswith(f"{http.base_url}/dicomweb/{instance}/bulkdata/")
    assert http.get(uri).status_code == 200
    frames = http.get(f"/dicomweb/{instance}/frames/1")
    assert frames.status_code == 200
    assert silent(frames) == NO_ANSWER
    for path in (study, series, instance):
        for resource in ("rendered", "thumbnail"):
            picture = http.get(f"/dicomweb/{path}/{resource}", headers={"Accept": "image/jpeg"})
            assert picture.status_code == 200, picture.text
            assert b"\xff\xd8\xff" in picture.content
    who = identity(ct)
    parameters = {
        "requestType": "WADO",
        "studyUID": who.study_instance_uid,
        "seriesUID": who.series_instance_uid,
        "objectUID": who.sop_instance_uid,
    }
    assert http.get("/dicomweb/wado", params=parameters).content.startswith(b"\xff\xd8")


@pytest.mark.parametrize("path", ["", "/metadata", "/series/1.2", "/series/1.2/instances/1.3/frames/1"])
def test_what_none_has_that_answers_is_an_error_that_names_one_that_does_not(
    http: httpx2.Client, path: str
) -> None:
    response = http.get(f"/dicomweb/studies/{UNKNOWN}{path}")
    assert response.status_code in {502, 503, 504}
    assert problem(response, response.status_code)["origin"] in NO_ANSWER


def test_nobody_takes_what_is_stored_unless_it_is_set(http: httpx2.Client, ct: Path) -> None:
    response = http.post(
        "/dicomweb/studies", content=payload([ct.read_bytes()]), headers={"Content-Type": PAYLOAD}
    )
    assert "dicomweb.store" in str(problem(response, 501)["detail"])
