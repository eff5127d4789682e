"""What clients get wrong when they read: a status that says so, and a problem that names it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import httpx2
import pytest

from tests.data_sets import Identity, identity
from tests.system.problem import problem

ORIGIN: Final = "orthanc-both"
UNKNOWN: Final = "1.2.3.4.5.6.7.8.9"


@pytest.fixture(scope="module")
def who(ct: Path) -> Identity:
    return identity(ct)


class TestSearching:
    @pytest.mark.parametrize(
        ("parameter", "value"),
        [
            ("limit", "-1"),
            ("limit", "many"),
            ("offset", "-1"),
            ("fuzzymatching", "perhaps"),
            ("includefield", "NoSuchKeyword"),
            ("includefield", "0010001"),
            ("NoSuchKeyword", "1"),
            ("ABCD1234", "1"),
            ("StudyDate", "20201301"),
            ("StudyDate", "2020-01-31"),
            ("StudyDate", "20201231-20200101"),
            ("StudyDate", "20200101-20200201-20200301"),
            ("StudyTime", "2500"),
            ("PatientAge", "old"),
            ("StudyInstanceUID", "1.2 3"),
            ("0020000D", "1.2;drop"),
            ("SeriesInstanceUID", "1.2.3"),
            ("RequestAttributesSequence.NoSuchKeyword", "1"),
        ],
    )
    def test_a_parameter_that_cannot_be_is_400_and_named(
        self, http: httpx2.Client, parameter: str, value: str
    ) -> None:
        response = http.get(f"/aets/{ORIGIN}/studies", params={parameter: value})
        assert problem(response, 400)["parameter"] == parameter

    def test_the_same_attribute_twice_is_400(self, http: httpx2.Client) -> None:
        response = http.get(f"/aets/{ORIGIN}/studies?PatientID=1&00100020=2")
        assert problem(response, 400)["parameter"] == "00100020"

    def test_bytes_that_are_no_utf_8_are_400(self, http: httpx2.Client) -> None:
        problem(http.get(f"/aets/{ORIGIN}/studies?PatientName=M%FCller"), 400)

    def test_other_unknown_parameters_are_ignored(self, http: httpx2.Client, who: Identity) -> None:
        response = http.get(
            f"/aets/{ORIGIN}/studies", params={"_dc": "1", "StudyInstanceUID": who.study_instance_uid}
        )
        assert response.status_code == 200
        assert len(response.json()) == 1

    def test_nothing_matches_an_unknown_study(self, http: httpx2.Client) -> None:
        response = http.get(f"/aets/{ORIGIN}/studies/{UNKNOWN}/series")
        assert (response.status_code, response.json()) == (200, [])

    @pytest.mark.parametrize("accept", ["text/html", "application/dicom+xml", "application/dicom"])
    def test_what_it_cannot_give_is_406_with_what_it_can(self, http: httpx2.Client, accept: str) -> None:
        response = http.get(f"/aets/{ORIGIN}/studies", headers={"Accept": accept})
        assert {"application/dicom+json", 'multipart/related; type="application/dicom+xml"'} <= set(
            listed(response)
        )


class TestPaths:
    @pytest.mark.parametrize(
        ("path", "parameter"),
        [
            ("studies/1%202/series", "StudyInstanceUID"),
            ("studies/1.2*/series", "StudyInstanceUID"),
            ("studies/1%0A2/series", "StudyInstanceUID"),
            (f"studies/{'1' * 129}/series", "StudyInstanceUID"),
            ("studies/1.2/series/3%5C4/instances", "SeriesInstanceUID"),
            ("studies/%C3%BC", "StudyInstanceUID"),
            (f"studies/{'1' * 129}", "StudyInstanceUID"),
            ("studies/1.2%00/metadata", "StudyInstanceUID"),
            ("studies/1.2/series/a%20b/metadata", "SeriesInstanceUID"),
            ("studies/1.2/series/3/instances/%3E", "SOPInstanceUID"),
        ],
    )
    def test_a_uid_outside_the_grammar_is_400_and_named(
        self, http: httpx2.Client, path: str, parameter: str
    ) -> None:
        response = http.get(f"/aets/{ORIGIN}/{path}")
        assert problem(response, 400)["parameter"] == parameter

    @pytest.mark.parametrize("name", ["elsewhere", "all", "Orthanc-both", "a.b", "%3E", "x" * 64])
    @pytest.mark.parametrize("path", ["", "/studies", f"/studies/{UNKNOWN}", f"/studies/{UNKNOWN}/metadata"])
    def test_an_unknown_origin_is_404(self, http: httpx2.Client, name: str, path: str) -> None:
        problem(http.get(f"/aets/{name}{path}"), 404)

    @pytest.mark.parametrize("path", ["/nothing", "/aets/", f"/aets/{ORIGIN}/nothing", "/readyz", "/metrics"])
    def test_no_resource_is_404(self, http: httpx2.Client, path: str) -> None:
        response = http.get(path)
        assert response.status_code == 404
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["status"] == 404
        assert response.json()["detail"]

    @pytest.mark.parametrize("path", ["nothing", "1.2/nothing", "1.2/series/3/frames/1"])
    def test_no_resource_of_a_study_is_404(self, http: httpx2.Client, path: str) -> None:
        problem(http.get(f"/aets/{ORIGIN}/studies/1.2/series/{path}"), 404)

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("PUT", "studies"),
            ("DELETE", f"studies/{UNKNOWN}"),
            ("POST", f"studies/{UNKNOWN}/metadata"),
            ("POST", f"studies/{UNKNOWN}/series"),
            ("POST", "series"),
        ],
    )
    def test_a_method_that_there_is_not_is_405(self, http: httpx2.Client, method: str, path: str) -> None:
        response = http.request(method, f"/aets/{ORIGIN}/{path}")
        problem(response, 405)
        assert "GET" in response.headers["Allow"]


class TestRetrieving:
    @pytest.mark.parametrize(
        "path",
        [
            "",
            "/metadata",
            "/series/1.2",
            "/series/1.2/metadata",
            "/series/1.2/instances/3.4",
            "/series/1.2/instances/3.4/metadata",
            "/series/1.2/instances/3.4/bulkdata/7FE00010",
        ],
    )
    def test_an_unknown_study_is_404(self, http: httpx2.Client, path: str) -> None:
        problem(http.get(f"/aets/{ORIGIN}/studies/{UNKNOWN}{path}"), 404)

    @pytest.mark.parametrize("path", ["series/1.2", "series/{series}/instances/3.4"])
    def test_an_unknown_part_of_a_study_is_404(self, http: httpx2.Client, who: Identity, path: str) -> None:
        part = path.format(series=who.series_instance_uid)
        problem(http.get(f"/aets/{ORIGIN}/studies/{who.study_instance_uid}/{part}"), 404)

    @pytest.mark.parametrize("value", ["00104000", "00081140", "7FE00010/1/00100010"])
    def test_a_value_that_there_is_not_is_404(self, http: httpx2.Client, who: Identity, value: str) -> None:
        problem(http.get(f"{instance(who)}/bulkdata/{value}"), 404)

    @pytest.mark.parametrize(
        "value", ["PixelData", "7FE0001", "7FE00010/9", "7FE00010/x", "..%2F..%2Fmetadata"]
    )
    def test_a_path_of_no_value_is_400(self, http: httpx2.Client, who: Identity, value: str) -> None:
        problem(http.get(f"{instance(who)}/bulkdata/{value}"), 400)

    @pytest.mark.parametrize(
        ("path", "accept", "available"),
        [
            (
                "",
                "image/png",
                ['multipart/related; type="application/dicom"', "application/dicom", "application/zip"],
            ),
            (
                "",
                "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.50",
                [
                    f"application/dicom; transfer-syntax=1.2.840.10008.1.2{syntax}"
                    for syntax in (".1", ".5", ".4.80", ".4.90")
                ],
            ),
            (
                "/metadata",
                "application/dicom+xml",
                ["application/dicom+json", 'multipart/related; type="application/dicom+xml"'],
            ),
            (
                "/bulkdata/7FE00010",
                "image/jpeg",
                [
                    'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1',
                    "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1",
                ],
            ),
        ],
    )
    def test_what_it_cannot_give_is_406_with_what_it_can(
        self, http: httpx2.Client, who: Identity, path: str, accept: str, available: Sequence[str]
    ) -> None:
        response = http.get(f"{instance(who)}{path}", headers={"Accept": accept})
        assert set(available) <= set(listed(response))

    def test_a_study_is_never_a_single_object(self, http: httpx2.Client, who: Identity) -> None:
        url = f"/aets/{ORIGIN}/studies/{who.study_instance_uid}"
        response = http.get(url, headers={"Accept": "application/dicom"})
        assert 'multipart/related; type="application/dicom"' in listed(response)
        assert "application/dicom" not in listed(response)

    @pytest.mark.parametrize("accept", ["application/dicom; q=7", "nonsense", 'multipart/related; type="'])
    def test_an_accept_that_cannot_be_read_is_400(
        self, http: httpx2.Client, who: Identity, accept: str
    ) -> None:
        response = http.get(instance(who), headers={"Accept": accept})
        assert problem(response, 400)["parameter"] == "Accept"


def listed(response: httpx2.Response) -> list[str]:
    """Give what a 406 says that there is."""
    available = problem(response, 406)["available"]
    assert isinstance(available, list)
    return available


def instance(who: Identity) -> str:
    return (
        f"/aets/{ORIGIN}/studies/{who.study_instance_uid}/series/{who.series_instance_uid}"
        f"/instances/{who.sop_instance_uid}"
    )
