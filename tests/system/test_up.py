"""`isthmus up` with its demo PACS, as on a machine where nothing is configured."""

import os
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.peers import eventually
from tests.system.gateway import Gateway
from tests.waiting import PATIENCE

NAMES = {
    "nats",
    "s3",
    "demo-pacs",
    "qido",
    "wado",
    "stow",
    "dimse-scu",
    "web-scu",
    "arrivals",
    "scp",
    "gateway",
}
CT_STUDY = "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"
CT_INSTANCE = "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322"


@pytest.fixture
def system(start_demo: Callable[[], Gateway]) -> Gateway:
    """The running system, until a test stops it."""
    return start_demo()


@pytest.fixture
def client(system: Gateway) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=system.url, trust_env=False, timeout=PATIENCE) as client:
        yield client


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_second_one_with_the_same_data_exits_2_and_leaves_the_first_alone(
    system: Gateway, client: httpx2.Client
) -> None:
    second = system.isthmus("up")
    assert second.returncode == 2
    assert "another isthmus up runs" in second.stderr
    assert client.get("/aets").status_code == 200


def test_standard_output_has_the_ready_line_and_nothing_else(system: Gateway) -> None:
    assert system.stdout == [f"isthmus is ready: {system.url} (open to everyone on this machine)"]


def test_the_run_file_is_private_and_names_every_process(system: Gateway) -> None:
    assert stat.S_IMODE((system.data / "run.json").stat().st_mode) == 0o600
    assert system.run_file.gateway == system.url
    assert system.run_file.scp.port == system.scp.port
    assert system.pids.keys() == NAMES
    assert not [pid for pids in system.pids.values() for pid in pids if gone(pid)]


def test_the_demo_is_the_one_origin_and_answers(system: Gateway, client: httpx2.Client) -> None:
    assert client.get("/aets").json() == [{"name": "demo", "protocol": "dimse", "ae_title": "DEMO"}]
    health = client.get("/aets/demo")
    assert health.status_code == 200
    assert health.json()["ok"] is True
    assert system.isthmus("echo", "demo").returncode == 0


def test_its_studies_are_found(system: Gateway) -> None:
    found = system.isthmus("find", "demo", "PatientName=CompressedSamples^CT1")
    assert found.returncode == 0
    assert CT_STUDY in found.stdout


def test_a_study_arrives_as_files(system: Gateway, tmp_path: Path) -> None:
    got = system.isthmus("get", "demo", CT_STUDY, "--output", str(tmp_path / "out"))
    assert (got.returncode, got.stderr) == (0, "")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{CT_INSTANCE}.dcm"]


def test_a_study_that_was_retrieved_can_be_stored_again(system: Gateway, tmp_path: Path) -> None:
    system.isthmus("get", "demo", CT_STUDY, "--output", str(tmp_path))
    stored = system.isthmus("store", "demo", str(tmp_path))
    assert (stored.returncode, stored.stdout) == (0, "1 stored, 0 not stored\n")


def test_the_trace_of_a_request_is_printed(system: Gateway, client: httpx2.Client) -> None:
    response = client.get("/aets/demo/studies")
    trace_id = response.headers["traceresponse"].split("-")[1]

    def is_printed() -> bool:
        shown = system.isthmus("trace", trace_id)
        return shown.returncode == 0 and "qido" in shown.stdout

    # A service writes its spans a moment after the answer.
    assert eventually(is_printed)


def test_a_service_that_is_killed_comes_back(system: Gateway, client: httpx2.Client) -> None:
    (before,) = system.pids["qido"]
    seen = len(system.stderr)
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: client.get("/aets").status_code == 200)
    system.wait_for(lambda: any("qido" in line and "is ready" in line for line in system.stderr[seen:]))
    (after,) = system.pids["qido"]
    assert after != before


def test_ctrl_c_stops_everything(system: Gateway) -> None:
    pids = [pid for pids in system.pids.values() for pid in pids]
    assert system.stop(signal.SIGINT) == 0
    assert not [pid for pid in pids if not gone(pid)]
    assert not (system.data / "run.json").exists()
    assert len(system.stdout) == 1
