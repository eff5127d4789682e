"""An inbox beside a PACS: what is pushed to it is searched, retrieved, forwarded by hand, and deleted."""

import os
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx2
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from requests import HTTPError

from isthmus.common.dicom.attributes import tag_of, tags_of
from tests.data_sets import identity, make_series, raw_datasets, with_sop_instance_uid
from tests.peers import Peer, eventually
from tests.peers.clients import storescu
from tests.system.gateway import Gateway
from tests.system.multipart import PAYLOAD, datasets, payload, retrieve
from tests.system.problem import problem

INBOX: Final = "/aets/inbox/studies"
UNKNOWN: Final = "1.2.3.4.5.6.7.8.9"
MANY: Final = 120
NO_KEYS: Final = tags_of(("RetrieveAETitle", "InstanceAvailability", "TimezoneOffsetFromUTC"))


@pytest.fixture(scope="module")
def system(inboxes: Gateway) -> Gateway:
    """A system with an inbox and a PACS, which tells nobody of its patients."""
    return inboxes


@pytest.fixture(scope="module")
def http(inboxes_http: httpx2.Client) -> httpx2.Client:
    return inboxes_http


def study_of(files: list[Path]) -> str:
    return identity(files[0]).study_instance_uid


def push(system: Gateway, files: list[Path]) -> None:
    """Send by C-STORE, as a modality does."""
    sent = storescu(Peer("INBOX", system.scp.host, system.scp.port), files)
    assert sent.code == 0, sent.log


def stow(http: httpx2.Client, files: list[Path], root: str = INBOX) -> httpx2.Response:
    content = payload(file.read_bytes() for file in files)
    return http.post(root, content=content, headers={"Content-Type": PAYLOAD})


def counted(http: httpx2.Client, study: str) -> int | None:
    """How many instances a search says that a study has; None where it does not find it."""
    response = http.get(INBOX, params={"StudyInstanceUID": study})
    if response.status_code == 204 or not response.json():
        return None
    (match,) = response.json()
    count: int = match[tag_of("NumberOfStudyRelatedInstances")]["Value"][0]
    return count


def test_the_origins_are_listed_and_answer(system: Gateway, http: httpx2.Client) -> None:
    assert [one["protocol"] for one in http.get("/aets").json()] == ["inbox", "inbox", "dimse", "s3"]
    answer = http.get("/aets/inbox")
    assert (answer.status_code, answer.json()["ok"]) == (200, True)
    assert system.json_of("echo", "inbox")["ok"] is True


def test_what_a_modality_pushed_is_found_and_retrieved_byte_for_byte(
    system: Gateway, http: httpx2.Client, files: list[Path], tmp_path: Path
) -> None:
    study = study_of(files)
    push(system, files)
    assert eventually(lambda: counted(http, study) == len(files))
    assert retrieve(http, "inbox", study) == (raw_datasets(files), True)
    series = http.get(f"{INBOX}/{study}/series").json()
    assert [one[tag_of("NumberOfSeriesRelatedInstances")]["Value"] for one in series] == [[3]]
    metadata = http.get(f"{INBOX}/{study}/metadata", headers={"Accept": "application/dicom+json"})
    assert len(metadata.json()) == len(files)
    who = identity(files[0])
    url = f"{INBOX}/{study}/series/{who.series_instance_uid}/instances/{who.sop_instance_uid}/rendered"
    assert http.get(url, headers={"Accept": "image/png"}).status_code == 200
    # The same by the commands.
    found = system.json_of("find", "inbox", f"StudyInstanceUID={study}")
    assert len(found) == 1
    got = system.json_of("get", "inbox", study, "--output", str(tmp_path / "got"))
    assert got["complete"] is True
    assert raw_datasets((tmp_path / "got").iterdir()) == (raw_datasets(files))


def test_what_a_client_stores_can_be_had_at_once(
    system: Gateway, http: httpx2.Client, files: list[Path]
) -> None:
    response = stow(http, files[:2])
    assert response.status_code == 200, response.text
    assert retrieve(http, "inbox", study_of(files)) == (raw_datasets(files[:2]), True)
    system.json_of("store", "inbox", str(files[2]))
    assert retrieve(http, "inbox", study_of(files)) == (raw_datasets(files), True)


def test_what_is_not_there_is_404_at_once(http: httpx2.Client) -> None:
    for path in ("", "/metadata", "/series/1.2", "/series/1.2/instances/3"):
        problem(http.get(f"{INBOX}/{UNKNOWN}{path}"), 404)
        if "metadata" not in path:
            problem(http.delete(f"{INBOX}/{UNKNOWN}{path}"), 404)
    assert counted(http, UNKNOWN) is None


def test_what_is_deleted_is_gone_everywhere_and_may_come_again(
    system: Gateway, http: httpx2.Client, files: list[Path]
) -> None:
    study, who = study_of(files), identity(files[0])
    series = f"{INBOX}/{study}/series/{who.series_instance_uid}"
    instance = f"{series}/instances/{who.sop_instance_uid}"
    assert stow(http, files).status_code == 200
    frames = http.get(f"{instance}/frames/1", headers={"Accept": "application/octet-stream"})
    assert frames.status_code == 200
    assert http.delete(instance).status_code == 204
    assert counted(http, study) == 2
    problem(http.get(instance), 404)
    problem(http.get(f"{instance}/frames/1"), 404)
    assert retrieve(http, "inbox", study) == (raw_datasets(files[1:]), True)
    # The same bytes again are a new arrival.
    push(system, files)
    assert eventually(lambda: counted(http, study) == 3)
    assert retrieve(http, "inbox", study) == (raw_datasets(files), True)
    assert http.delete(f"{INBOX}/{study}").status_code == 204
    assert counted(http, study) is None
    problem(http.get(f"{INBOX}/{study}"), 404)
    problem(http.get(f"{INBOX}/{study}/metadata"), 404)
    problem(http.get(f"/dicomweb/studies/{study}"), 404)
    problem(http.delete(f"{INBOX}/{study}"), 404)
    assert stow(http, files[:1]).status_code == 200
    assert retrieve(http, "inbox", study) == (raw_datasets(files[:1]), True)


def test_dicomweb_client_stores_searches_and_deletes(system: Gateway, files: list[Path]) -> None:
    client = DICOMwebClient(f"{system.url}/aets/inbox")
    client.store_instances([pydicom.dcmread(file) for file in files])
    who = identity(files[0])
    study, series = who.study_instance_uid, who.series_instance_uid
    client.delete_instance(study, series, who.sop_instance_uid)
    assert len(client.search_for_instances(study)) == 2
    client.delete_series(study, series)
    assert client.search_for_studies(search_filters={"StudyInstanceUID": study}) == []
    with pytest.raises(HTTPError, match="404"):
        client.delete_study(study)


def test_every_value_that_a_search_gives_finds_what_has_it(http: httpx2.Client, files: list[Path]) -> None:
    assert stow(http, files).status_code == 200
    study = study_of(files)
    for level in ("studies", "series", "instances"):
        params = {"StudyInstanceUID": study, "includefield": "all"}
        found = http.get(f"/aets/inbox/{level}", params=params).json()
        for tag, value in sorted({one for match in found for one in searchable(match)}):
            again = http.get(f"/aets/inbox/{level}", params={**params, tag: value})
            assert again.status_code == 200, (level, tag, again.text)
            having = [match for match in found if (tag, value) in searchable(match)]
            assert having == [match for match in again.json() if match in found], (level, tag)


def searchable(match: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give what of a match can be a key: the first value of each attribute that the data set has."""
    return [
        (tag, str(values[0]["Alphabetic"] if element["vr"] == "PN" else values[0]))
        for tag, element in match.items()
        if (values := element.get("Value")) and element["vr"] not in ("SQ", "UR") and tag not in NO_KEYS
    ]


def test_what_no_url_could_name_is_refused(http: httpx2.Client, files: list[Path]) -> None:
    content = payload([with_sop_instance_uid(files[0].read_bytes(), "../../1.2")])
    response = http.post(INBOX, content=content, headers={"Content-Type": PAYLOAD})
    assert response.status_code == 409
    (failed,) = response.json()[tag_of("FailedSOPSequence")]["Value"]
    assert failed[tag_of("FailureReason")]["Value"] == [0x0117]
    assert counted(http, study_of(files)) is None


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/aets/inbox/studies", "GET, HEAD, POST"),
        ("PUT", "/aets/inbox/studies/1.2", "DELETE, GET, HEAD, POST"),
        ("POST", "/aets/inbox/studies/1.2/series/1.3", "DELETE, GET, HEAD"),
        ("DELETE", "/aets/inbox/studies/1.2/metadata", "GET, HEAD"),
        ("PUT", "/aets/pacs/studies/1.2", "GET, HEAD, POST"),
    ],
)
def test_whichever_face_answers_it_lists_the_methods_of_all(
    http: httpx2.Client, method: str, path: str, allowed: str
) -> None:
    response = http.request(method, path)
    problem(response, 405)
    assert response.headers["Allow"] == allowed


def test_a_pacs_and_all_origins_delete_nothing(http: httpx2.Client, at_pacs: list[Path]) -> None:
    for root in ("/aets/pacs/studies", "/dicomweb/studies"):
        response = http.delete(f"{root}/{study_of(at_pacs)}")
        problem(response, 405)
        assert response.headers["Allow"] == "GET, HEAD, POST"


def test_all_origins_include_the_inbox(
    http: httpx2.Client, files: list[Path], at_pacs: list[Path], tmp_path: Path
) -> None:
    assert stow(http, files, "/dicomweb/studies").status_code == 200
    # What comes to the inbox of a study that the PACS has, is a part of it.
    (more,) = make_series(tmp_path / "more", 1, study_uid=study_of(at_pacs), seed=71)
    assert http.get(f"/dicomweb/studies/{study_of(at_pacs)}").status_code == 200
    assert stow(http, [more]).status_code == 200
    found = {match["0020000D"]["Value"][0] for match in http.get("/dicomweb/studies").json()}
    assert {study_of(files), study_of(at_pacs)} <= found
    for study, held in ((study_of(files), files), (study_of(at_pacs), [*at_pacs, more])):
        accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
        response = http.get(f"/dicomweb/studies/{study}", headers={"Accept": accept})
        assert response.status_code == 200
        assert datasets(response.content, response.headers["content-type"]) == raw_datasets(held)


def test_a_worker_that_is_killed_while_it_stores_loses_nothing(
    system: Gateway, http: httpx2.Client, tmp_path: Path
) -> None:
    files = make_series(tmp_path, MANY, rows=128, columns=128, seed=72)
    study, seen = study_of(files), len(system.stderr)
    (pid,) = system.pids["web-scu"]
    with ThreadPoolExecutor(1) as background:
        storing = background.submit(stow, http, files)
        assert eventually(lambda: http.get(f"{INBOX}/{study}/metadata").status_code == 200)
        os.kill(pid, signal.SIGKILL)
        # wado needs no worker.
        assert http.get(f"{INBOX}/{study}/metadata").status_code == 200
        response = storing.result()
    assert response.status_code == 200, response.text
    system.wait_for(
        lambda: any("web-scu" in line and "is ready after" in line for line in system.stderr[seen:])
    )
    assert retrieve(http, "inbox", study) == (raw_datasets(files), True)
    assert counted(http, study) == MANY
    assert http.delete(f"{INBOX}/{study}").status_code == 204


def test_without_s3_nothing_is_said_that_is_not_so(
    system: Gateway, http: httpx2.Client, files: list[Path]
) -> None:
    assert stow(http, files).status_code == 200
    study = study_of(files)
    (s3,) = system.pids["s3"]
    os.kill(s3, signal.SIGSTOP)
    try:
        answer = http.get("/aets/inbox")
        assert (answer.status_code, answer.json()["ok"]) == (503, False)
        # What there is is known all the same.
        assert counted(http, study) == len(files)
    finally:
        os.kill(s3, signal.SIGCONT)
    assert retrieve(http, "inbox", study) == (raw_datasets(files), True)
    assert http.delete(f"{INBOX}/{study}").status_code == 204
