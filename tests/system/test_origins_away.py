"""Origins that are down, or that only store: problems of theirs, and none of the client's."""

from pathlib import Path
from typing import Final

import httpx2
import pytest

from tests.system.multipart import PAYLOAD, payload
from tests.system.problem import problem

UNKNOWN: Final = "1.2.3.4.5.6.7.8.9"


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
    def test_reading_is_502_again_and_again(self, http: httpx2.Client, path: str) -> None:
        for _ in range(2):
            response = http.get(f"/aets/nowhere/{path}", timeout=20)
            members = problem(response, 502)
            assert members["type"] == "urn:isthmus:problem:origin-unreachable"
            assert members["origin"] == "nowhere"

    def test_storing_is_502(self, http: httpx2.Client, ct: Path, mr: Path) -> None:
        response = http.post(
            "/aets/nowhere/studies",
            content=payload([ct.read_bytes(), mr.read_bytes()]),
            headers={"Content-Type": PAYLOAD},
            timeout=20,
        )
        assert problem(response, 502)["origin"] == "nowhere"

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
