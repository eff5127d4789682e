"""Who did what, as `isthmus audit` tells it of a running system, with the rights that each service has."""

import json
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx2
import pydicom
import pytest

from tests.peers.process import eventually
from tests.system.commands import command
from tests.system.gateway import Gateway
from tests.system.multipart import PAYLOAD, payload

ORIGIN: Final = "orthanc-both"


def told(gateway: Gateway, *options: str) -> list[dict[str, object]]:
    done = command(["audit", "--json", "--data", str(gateway.data), *options])
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def trace(http: httpx2.Client) -> str:
    """The trace of the requests of this test, by which their records are known."""
    return uuid4().hex


def asking(trace: str) -> dict[str, str]:
    return {"traceparent": f"00-{trace}-{'1' * 16}-01"}


def test_what_is_searched_read_and_stored_is_told_by_its_patient(
    gateway: Gateway, http: httpx2.Client, ct: Path, trace: str
) -> None:
    patient = str(pydicom.dcmread(ct, specific_tags=["PatientID"]).PatientID)
    study = str(pydicom.dcmread(ct, specific_tags=["StudyInstanceUID"]).StudyInstanceUID)
    headers = asking(trace)
    for path in (f"?PatientID={patient}", f"/{study}", f"/{study}/metadata"):
        http.get(f"/aets/{ORIGIN}/studies{path}", headers=headers).raise_for_status()
    stored = http.post(
        "/aets/receiver/studies",
        content=payload([ct.read_bytes()]),
        headers={"Content-Type": PAYLOAD, **headers},
    )
    stored.raise_for_status()
    records = [one for one in told(gateway, "--patient", patient) if one["trace_id"] == trace]
    events = [(one["service"], one["event"], one["action"]) for one in records]
    assert events[0] == ("qido", "query", "GET")
    assert ("wado", "begin-transferring", "GET") in events
    assert ("wado", "instances-transferred", "GET") in events
    assert events[-2:] == [("stow", "begin-transferring", "POST"), ("stow", "instances-transferred", "POST")]
    assert {one["address"] for one in records} == {"127.0.0.1"}
    assert {one["outcome"] for one in records} == {"accepted"}


def test_the_start_is_told(gateway: Gateway) -> None:
    assert eventually(lambda: bool(told(gateway, "--event", "application-activity")))
    (start,) = told(gateway, "--event", "application-activity")
    assert (start["action"], start["event_type"]) == ("isthmus up", "application-start")


def test_the_bus_refuses_no_service_what_it_does(gateway: Gateway) -> None:
    log = gateway.log.read_text()
    assert "nats does not let us" not in log
    assert "an audit record is lost" not in log
    assert "audit record is not understood" not in log
