"""Problems can be traced, and neither they nor logs and traces name a patient."""

from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx2
import pytest

from tests.peers import Storescp
from tests.peers.process import eventually
from tests.system.gateway import Gateway
from tests.system.multipart import PAYLOAD, payload
from tests.system.patient_data import leaks, patient_data, traces
from tests.system.problem import problem

ORIGIN: Final = "orthanc-both"


def test_a_problem_is_found_by_the_trace_that_the_client_began(http: httpx2.Client) -> None:
    trace_id = uuid4().hex
    headers = {"traceparent": f"00-{trace_id}-{uuid4().hex[:16]}-01"}
    response = http.get(f"/aets/{ORIGIN}/studies?limit=-1", headers=headers)
    assert problem(response, 400)["trace_id"] == trace_id


@pytest.mark.parametrize(
    "path", ["studies?StudyDate={}", "studies?limit={}", "studies?includefield={}", "studies/{}*/series"]
)
def test_a_problem_does_not_repeat_what_was_written(http: httpx2.Client, path: str) -> None:
    response = http.get(f"/aets/{ORIGIN}/{path.format('Doe^Archibald')}")
    problem(response, 400)
    assert "Archibald" not in response.text


def test_no_log_and_no_trace_names_a_patient(
    gateway: Gateway, http: httpx2.Client, corpus: list[Path], storescp: Storescp, ct: Path
) -> None:
    """Of whatever the system was asked in this run, and here by its patients' names and ids."""
    values = patient_data(corpus)
    assert "Doe^Archibald" in values
    for value in values:
        for query in ({"PatientName": value}, {"PatientID": value}, {"StudyDate": value}):
            http.get(f"/aets/{ORIGIN}/studies", params=query)
        http.get("/aets/nowhere/studies", params={"PatientName": value})
        http.get(f"/aets/{value}/studies")
        http.get(f"/aets/{ORIGIN}/studies/{value}")
    http.post("/aets/receiver/studies", content=payload([ct.read_bytes()]), headers={"Content-Type": PAYLOAD})
    last = http.get("/aets", headers={"traceparent": f"00-{'7e57' * 8}-{'1' * 16}-01"})
    assert last.status_code == 200
    assert eventually(lambda: "7e57" * 8 in traces(gateway))
    assert leaks({"nowhere"}, gateway)  # what is there is found
    assert leaks(values, gateway) == set()
