"""Retrieve Capabilities (PS3.18 8.9, Annex H), and what is no service here (11 to 13)."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any, Final

import httpx2
import pytest

from tests.system.conformance.archive import Archive
from tests.system.problem import problem

WADL: Final = "{http://wadl.dev.java.net/2009/02}"
MEDIA_TYPE: Final = "application/vnd.sun.wadl+xml"
STUDY, SERIES = "studies/{study}", "studies/{study}/series/{series}"
INSTANCE: Final = f"{SERIES}/instances/{{instance}}"
FRAMES: Final = f"{INSTANCE}/frames/{{frames}}"
LEVELS: Final = (STUDY, SERIES, INSTANCE)
METHODS: Final = {
    *(("GET", path) for path in ("studies", "series", "instances")),
    *(("GET", path) for path in (f"{STUDY}/series", f"{STUDY}/instances", f"{SERIES}/instances")),
    *(("GET", level) for level in LEVELS),
    *(
        ("GET", f"{level}/{category}")
        for level in LEVELS
        for category in ("metadata", "rendered", "thumbnail", "bulkdata", "pixeldata")
    ),
    *(("GET", path) for path in (FRAMES, f"{FRAMES}/rendered", f"{FRAMES}/thumbnail")),
    ("GET", f"{INSTANCE}/bulkdata/{{path}}"),
    *(("POST", path) for path in ("studies", STUDY)),
    ("GET", "wado"),
}
"""Of PS3.18 Tables 10.4.1-1, 10.5.1-1, 10.6.1-1 and 9.1-1."""


def described(http: httpx2.Client, path: str) -> ET.Element:
    response = http.options(path)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == MEDIA_TYPE
    application = ET.fromstring(response.content)
    assert application.tag == f"{WADL}application"
    (resources,) = application
    return resources


def test_8_9_the_root_of_a_service_tells_what_it_can_do(http: httpx2.Client, anywhere: Archive) -> None:
    """`OPTIONS /`: as WADL (Annex H), of all that there is below it."""
    resources = described(http, anywhere.root)
    assert resources.get("base") == f"{http.base_url}{anywhere.root}/"
    methods = {
        (method.get("name"), resource.get("path"))
        for resource in resources
        for method in resource.findall(f"{WADL}method")
    }
    assert methods == METHODS


def test_8_9_the_root_of_all_tells_what_there_is_at_all_origins(http: httpx2.Client) -> None:
    assert described(http, "/").get("base") == f"{http.base_url}/dicomweb/"


def test_annex_h_each_method_tells_its_media_types_parameters_and_statuses(
    http: httpx2.Client, origin: Archive
) -> None:
    methods = {method.get("id"): method for method in described(http, origin.root).iter(f"{WADL}method")}
    assert len(methods) == len(METHODS)
    search = methods["SearchForStudies"]
    queries = {param.get("name") for param in search.iter(f"{WADL}param") if param.get("style") == "query"}
    assert {"limit", "offset", "includefield", "fuzzymatching", "accept"} <= queries
    options = [option.get("value") for option in search.iter(f"{WADL}option")]
    assert options[0] == "application/dicom+json"
    assert 'multipart/related; type="application/dicom+xml"' in options
    for method in methods.values():
        statuses = " ".join(response.get("status", "") for response in method.iter(f"{WADL}response"))
        assert {"200", "400", "404", "406"} <= set(statuses.split())


def test_8_9_the_same_comes_in_json(http: httpx2.Client, anywhere: Archive) -> None:
    response = http.options(anywhere.root, headers={"Accept": "application/json"})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    (resources,) = response.json()["application"]["resources"]
    methods = {
        (method["name"], resource["path"])
        for resource in resources["resource"]
        for method in resource["method"]
    }
    assert methods == METHODS


def test_8_9_another_media_type_is_406_and_an_unknown_origin_404(http: httpx2.Client) -> None:
    response = http.options("/dicomweb", headers={"Accept": "text/html"})
    assert problem(response, 406)["available"] == [MEDIA_TYPE, "application/json"]
    problem(http.options("/aets/nobody"), 404)


def test_8_9_whatever_is_described_is_there(http: httpx2.Client, origin: Archive) -> None:
    """Each is asked for something that cannot be, and says so: nothing else would know what that is."""
    uids = {"study": "1%202", "series": "1.2", "instance": "1.2.3", "frames": "1", "path": "7FE00010"}
    for method, path in METHODS:
        url = f"{origin.root}/{path.format(**uids)}?limit=many"
        problem(http.request(method, url, headers={"Content-Type": "application/dicom"}), 400)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "workitems"),
        ("GET", "workitems/1.2.3"),
        ("POST", "workitems/1.2.3/subscribers/VIEWER"),
        ("GET", "hangingprotocol"),
        ("POST", "commitment-requests/1.2.3"),
    ],
)
def test_11_to_13_what_is_no_service_here_is_not_there(
    http: httpx2.Client, anywhere: Archive, method: str, path: str
) -> None:
    """UPS-RS (11), Non-Patient Instances (12), Storage Commitment (13): declined."""
    response = http.request(method, f"{anywhere.root}/{path}")
    assert response.status_code == 404
    members: Mapping[str, Any] = response.json()
    assert members["status"] == 404


@pytest.mark.parametrize("level", ["studies", "series", "instances"])
def test_10_nothing_is_deleted(http: httpx2.Client, anywhere: Archive, level: str) -> None:
    """No transaction of the standard, and none of DIMSE: 405, and what there is stays."""
    held = anywhere.where(PatientName="CompressedSamples^CT1")
    response = http.delete(held.path(level))
    problem(response, 405)
    assert "DELETE" not in response.headers["Allow"]
    assert len(http.get(f"{held.path('series')}/instances").json()) == 1
