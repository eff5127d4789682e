"""Paths to studies, series and instances."""

import pytest
from starlette.requests import Request

from isthmus.common.dicom.levels import Level
from isthmus.common.dicomweb import Resource, check_origin, public_base_url
from isthmus.common.errors import InvalidParameter, UnknownOrigin

STUDY = Resource("pacs", "1.2")
SERIES = Resource("pacs", "1.2", "1.2.3")
INSTANCE = Resource("pacs", "1.2", "1.2.3", "1.2.3.4")


@pytest.mark.parametrize("name", ["", "PACS", "-pacs", "p" * 64, "a.b", "a*", "a>", "a b", "pacs\n", "päcs"])
def test_an_origin_outside_the_grammar_is_unknown(name: str) -> None:
    with pytest.raises(UnknownOrigin):
        check_origin(name)


@pytest.mark.parametrize(
    ("segment", "parameter"),
    [("study", "StudyInstanceUID"), ("series", "SeriesInstanceUID"), ("instance", "SOPInstanceUID")],
)
@pytest.mark.parametrize("uid", ["", "1.2/3", "1.2*", "1 2", "1" * 129, "1.2\n"])
def test_a_uid_outside_the_grammar_is_named_by_its_keyword(segment: str, parameter: str, uid: str) -> None:
    params = {"origin": "pacs", "study": "1.2", "series": "1.2.3", "instance": "1.2.3.4", segment: uid}
    with pytest.raises(InvalidParameter) as caught:
        Resource.from_path_params(params)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize(
    ("resource", "level", "path"),
    [
        (STUDY, Level.STUDY, "/aets/pacs/studies/1.2"),
        (SERIES, Level.SERIES, "/aets/pacs/studies/1.2/series/1.2.3"),
        (INSTANCE, Level.IMAGE, "/aets/pacs/studies/1.2/series/1.2.3/instances/1.2.3.4"),
    ],
)
def test_a_resource_has_a_level_and_a_path(resource: Resource, level: Level, path: str) -> None:
    assert resource.level is level
    assert resource.path == path


def test_it_is_read_from_the_parameters_of_a_route() -> None:
    params = {"origin": "pacs", "study": "1.2", "series": "1.2.3"}
    assert Resource.from_path_params(params) == SERIES
    assert Resource.from_path_params({**params, "instance": "1.2.3.4"}) == INSTANCE


@pytest.mark.parametrize("other", [STUDY, SERIES, INSTANCE])
def test_a_study_covers_its_parts_and_itself(other: Resource) -> None:
    assert STUDY.covers(other)


@pytest.mark.parametrize(
    "other",
    [
        STUDY,
        Resource("pacs", "1.2", "1.2.9"),
        Resource("pacs", "1.9", "1.2.3"),
        Resource("other", "1.2", "1.2.3"),
        Resource("pacs", "1.2", "1.2.9", "1.2.3.4"),
    ],
)
def test_a_series_does_not_cover_what_is_not_in_it(other: Resource) -> None:
    assert not SERIES.covers(other)


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request(
        {
            "type": "http",
            "scheme": "http",
            "server": ("127.0.0.1", 8001),
            "path": "/aets",
            "query_string": b"",
            "headers": raw,
        }
    )


@pytest.mark.parametrize("host", ["", "a/b", "user@h", "h:x", 'h"', "h h", "[::1", "ä"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(InvalidParameter, match="Host"):
        public_base_url(request(host=host))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:8080", "pacs.example.org:443"])
def test_the_base_url_is_what_the_client_used(host: str) -> None:
    assert public_base_url(request(host=host)) == f"http://{host}"


def test_the_proxy_tells_the_scheme() -> None:
    assert public_base_url(request(host="h", x_forwarded_proto="https, http")) == "https://h"
    assert public_base_url(request(host="h", x_forwarded_proto="javascript")) == "http://h"


def test_without_a_host_the_servers_own_address_is_the_base() -> None:
    assert public_base_url(request()) == "http://127.0.0.1:8001"
