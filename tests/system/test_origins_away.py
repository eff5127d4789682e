"""Origins that are down, or that only store: problems of theirs, and none of the client's."""

from pathlib import Path
from typing import Final

import httpx2
import pytest

from tests.system.multipart import PAYLOAD, payload
from tests.system.problem import problem

UNKNOWN: Final = "1.2.3.4.5.6.7.8.9"


def is_away(response: httpx2.Response) -> None:
    """Check what is said of an origin that is down: 502 when it was tried, 503 when it was left alone."""
    tried = response.status_code == 502
    members = problem(response, 502 if tried else 503)
    assert members["type"] == f"urn:isthmus:problem:{'origin-unreachable' if tried else 'circuit-open'}"
    assert members["origin"] == "nowhere"
    assert ("retry-after" in response.headers) is not tried


class TestAnOriginThatIsDown:
    @pytest.mark.parametrize(
        "path",
        [
            "studies",
            f"studies/{UNKNOWN}/series",
            f"studies/{UNKNOWN}",
            f"studies/{UNKNOWN}/metadata",
            f"studies/{UNKNOWN}/series/1.2/instances/3.4",
        ],
    )
    def test_reading_is_502_and_then_503_while_it_is_left_alone(self, http: httpx2.Client, path: str) -> None:
        responses = [http.get(f"/aets/nowhere/{path}", timeout=20) for _ in range(4)]
        for response in responses:
            is_away(response)
        assert 503 in [response.status_code for response in responses]

    def test_storing_is_502_or_503(self, http: httpx2.Client, ct: Path, mr: Path) -> None:
        response = http.post(
            "/aets/nowhere/studies",
            content=payload([ct.read_bytes(), mr.read_bytes()]),
            headers={"Content-Type": PAYLOAD},
            timeout=20,
        )
        is_away(response)

    def test_its_health_is_503(self, http: httpx2.Client) -> None:
        response = http.get("/aets/nowhere", timeout=20)
        assert response.status_code == 503
        assert response.json()["ok"] is False
        assert response.json()["detail"]


class TestAnOriginThatOnlyStores:
    def test_searching_is_502(self, http: httpx2.Client) -> None:
        members = problem(http.get("/aets/receiver/studies"), 502)
        assert members["type"] == "urn:isthmus:problem:no-accepted-context"
        assert members["origin"] == "receiver"

    def test_retrieving_is_502(self, http: httpx2.Client) -> None:
        assert problem(http.get(f"/aets/receiver/studies/{UNKNOWN}"), 502)["origin"] == "receiver"
