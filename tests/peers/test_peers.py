"""Each peer does what the tests need of it."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.data_sets import identity, make_series, raw_dataset
from tests.peers import (
    Dcmqrscp,
    Leftovers,
    Orthanc,
    PeerDied,
    Process,
    Storescp,
    echoscu,
    findscu,
    free_port,
    getscu,
    movescu,
    storescu,
)


def test_a_peer_that_ends_at_once_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    process = Process(["sh", "-c", "echo no licence; exit 3"], log=tmp_path / "log", environment={})
    with pytest.raises(PeerDied, match="no licence"):
        process.wait_until(lambda: False)


def test_a_peer_that_does_not_get_ready_is_stopped(tmp_path: Path) -> None:
    process = Process(["sleep", "60"], log=tmp_path / "log", environment={})
    with pytest.raises(PeerDied, match="not ready in time"):
        process.wait_until(lambda: False, timeout_seconds=0.05)


def test_what_is_left_running_is_found_and_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_RUN_OF_ISTHMUS", "to be restored")
    leftovers = Leftovers()
    with subprocess.Popen(["sleep", "60"], env=os.environ) as left:
        monkeypatch.setattr("tests.peers.leftovers.GRACE_SECONDS", 0)
        assert leftovers.end() == {left.pid: "sleep"}


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))


def test_an_empty_orthanc_holds_what_storescu_sends_and_can_be_emptied(
    empty_orthanc: Orthanc, tmp_path: Path
) -> None:
    assert empty_orthanc.listing() == {}
    files = make_series(tmp_path, 2)
    assert storescu(empty_orthanc.peer, files).code == 0
    assert set(empty_orthanc.held().values()) == {identity(file) for file in files}
    empty_orthanc.delete_all()
    assert empty_orthanc.listing() == {}


def test_orthanc_refuses_what_is_no_instance(empty_orthanc: Orthanc, tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish"
    rubbish.write_bytes(b"rubbish")
    (image,) = make_series(tmp_path, 1)
    assert empty_orthanc.load([rubbish, image]) == [image]


def test_orthanc_holds_at_least_160_of_the_corpus_as_they_are(orthanc: Orthanc, corpus: list[Path]) -> None:
    held = orthanc.held()
    assert len(held) >= 160
    assert {raw_dataset(orthanc.file(identifier)) for identifier in held} <= {raw_dataset(f) for f in corpus}


def test_dcmqrscp_holds_the_files_that_it_registered(dcmqrscp: Dcmqrscp) -> None:
    assert len(dcmqrscp.files()) >= 150


def test_storescp_keeps_every_byte_and_every_copy(storescp: Storescp, tmp_path: Path) -> None:
    (image,) = make_series(tmp_path, 1)
    for _ in range(2):
        assert storescu(storescp.peer, [image]).code == 0
    assert storescp.datasets() == {identity(image).sop_instance_uid: [raw_dataset(image)] * 2}


@pytest.mark.parametrize("name", ["orthanc", "dcmqrscp"])
def test_a_pacs_answers_echo_find_move_and_get(
    name: str,
    request: pytest.FixtureRequest,
    corpus: list[Path],
    storescp: Storescp,
    tmp_path: Path,
) -> None:
    pacs: Orthanc | Dcmqrscp = request.getfixturevalue(name)
    ct = identity(next(file for file in corpus if file.name == "CT_small.dcm"))
    study = ct.study_instance_uid
    (instances,) = pacs.listing()[study].values()
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study}

    assert echoscu(pacs.peer).code == 0
    assert [match.StudyInstanceUID for match in findscu(pacs.peer, keys)] == [study]
    assert movescu(pacs.peer, "STORESCP", keys).code == 0
    assert set(storescp.datasets()) == instances
    assert getscu(pacs.peer, tmp_path, keys).code == 0
    assert {identity(file).sop_instance_uid for file in tmp_path.iterdir()} == instances
