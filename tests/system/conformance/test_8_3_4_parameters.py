"""The other query parameters of a search (PS3.18 8.3.4.2 to 8.3.4.6)."""

import re
from collections.abc import Mapping
from typing import Final

import httpx2
import pytest

from tests.system.conformance.answers import all_values, keywords, matches, value, warnings
from tests.system.conformance.archive import UNIQUE, Archive, text
from tests.system.conformance.searching import PATIENT, search
from tests.system.problem import problem

ADDITIONAL: Final = re.compile(r"There are (\d+ )?additional results that can be requested")
SUPPORTED: Final = ("fuzzymatching", "emptyvaluematching", "multiplevaluematching")


TRIES: Final = 10
"""Nobody waits long for a count, so that one may be missed where the machine is busy."""


def counted(http: httpx2.Client, url: str, parameters: Mapping[str, str]) -> httpx2.Response:
    """Ask for a page until the answer says how many matches are beyond it, if any are."""
    for _ in range(TRIES):
        response = http.get(url, params=parameters)
        if "" not in remaining(response):
            break
    return response


def remaining(response: httpx2.Response) -> list[str]:
    """What the answer says of results beyond it."""
    return [(found[1] or "").strip() for each in warnings(response) if (found := ADDITIONAL.fullmatch(each))]


def test_8_3_4_2_names_are_matched_fuzzily_if_asked_for(http: httpx2.Client, origin: Archive) -> None:
    """Each word of the key begins a word of the name; without it `compres` matches nothing."""
    expected = origin.uids("studies", lambda ds: text(ds, "PatientName").startswith("CompressedSamples"))
    assert len(expected) >= 4
    assert search(http, origin, "studies", {"PatientName": "compres", "fuzzymatching": "true"}) == expected
    for otherwise in ({}, {"fuzzymatching": "false"}):
        assert search(http, origin, "studies", {"PatientName": "compres", **otherwise}) == set()


@pytest.mark.parametrize("name", SUPPORTED)
def test_8_3_4_2_8_3_4_5_8_3_4_6_they_are_supported_without_a_warning(
    http: httpx2.Client, origin: Archive, name: str
) -> None:
    """No `Warning: 299 <service>: The ... parameter is not supported. ...`; they are true or false."""
    response = http.get(f"{origin.root}/studies", params={**PATIENT, name: "true"})
    assert len(matches(response)) == 4
    assert warnings(response) == []
    response = http.get(f"{origin.root}/studies", params={**PATIENT, name: "perhaps"})
    assert problem(response, 400)["parameter"] == name


@pytest.mark.parametrize(
    "fields",
    [
        "includefield=StudyDescription,PatientAge",
        "includefield=00081030%2C00101010",
        "includefield=StudyDescription&includefield=00101010",
    ],
)
def test_8_3_4_3_included_attributes_are_a_list_or_repeated(
    http: httpx2.Client, origin: Archive, fields: str
) -> None:
    study = "1.3.6.1.4.1.5962.1.1.0.0.0.1196533885.18148.0.1"
    url = f"{origin.root}/studies?StudyInstanceUID={study}"
    (match,) = matches(http.get(f"{url}&{fields}"))
    held = origin.where(StudyInstanceUID=study)
    assert {value(match, "StudyDescription")} == held.texts("StudyDescription") == {"Brain-MRA"}
    assert {value(match, "PatientAge")} == held.texts("PatientAge") == {"045Y"}
    (match,) = matches(http.get(url))
    assert keywords(match).isdisjoint({"StudyDescription", "PatientAge"})


def test_8_3_4_3_all_includes_the_optional_keys_of_the_level(http: httpx2.Client, origin: Archive) -> None:
    """Those of PS3.4 C.6.2.1.2 that the origin has; beside it other fields do not count."""
    url = f"{origin.root}/studies?StudyInstanceUID=1.3.6.1.4.1.5962.1.1.0.0.0.1196533885.18148.0.1"
    (everything,) = matches(http.get(f"{url}&includefield=all"))
    assert {"StudyDescription", "PatientAge", "OtherPatientNames"} <= keywords(everything)
    assert keywords(everything).isdisjoint({"Modality", "SeriesDescription", "Rows"})
    assert matches(http.get(f"{url}&includefield=all&includefield=Occupation")) == [everything]


@pytest.mark.parametrize("field", ["Modality,SOPClassUID", "00080060", "0009100C"])
def test_10_6_3_3_included_attributes_of_a_lower_level_are_no_error_and_not_returned(
    http: httpx2.Client, origin: Archive, field: str
) -> None:
    """Private ones neither: no origin gives them in a search (declined)."""
    with_them = http.get(f"{origin.root}/studies", params={**PATIENT, "includefield": field})
    assert matches(with_them) == matches(http.get(f"{origin.root}/studies", params=PATIENT))


@pytest.mark.parametrize(("limit", "offset"), [(2, 0), (2, 1), (1, 3), (10, 2), (2, 4), (2, 9), (0, 0)])
def test_8_3_4_4_limit_and_offset_make_a_page(
    http: httpx2.Client, anywhere: Archive, limit: int, offset: int
) -> None:
    """results = min(max(0, matches - offset), maxResults, limit); one origin tells what is beyond."""
    url = f"{anywhere.root}/studies"
    everything = matches(http.get(url, params=PATIENT))
    asked = {**PATIENT, "limit": str(limit), "offset": str(offset)}
    response = http.get(url, params=asked) if anywhere.root == "/dicomweb" else counted(http, url, asked)
    page = matches(response)
    assert len(page) == min(max(0, 4 - offset), limit)
    assert page == everything[offset : offset + limit]
    beyond = 4 - offset - len(page)
    number = "" if anywhere.root == "/dicomweb" else str(beyond)
    assert remaining(response) == ([number] if beyond > 0 else [])


def test_8_3_4_4_1_the_warning_is_that_of_the_standard_word_for_word(
    http: httpx2.Client, origin: Archive
) -> None:
    """`<service>` is the base URI of the origin server; RFC 7234 would have quotes, clients look for none."""
    response = counted(http, f"{origin.root}/studies", {**PATIENT, "limit": "1"})
    service = f"{http.base_url}{origin.root}"
    assert response.headers["Warning"] == (
        f"299 {service}: There are 3 additional results that can be requested"
    )


def test_8_3_4_4_without_them_all_matches_come(http: httpx2.Client, origin: Archive) -> None:
    """Offset is 0, the limit that of the server, which a setting gives (search.max_matches)."""
    response = http.get(f"{origin.root}/studies")
    assert all_values(matches(response), "StudyInstanceUID") == origin.uids("studies")
    assert remaining(response) == []


def test_8_3_4_4_1_the_same_search_gives_the_same_order(http: httpx2.Client, anywhere: Archive) -> None:
    """Idempotent: so pages follow each other."""
    url = f"{anywhere.root}/studies?StudyDate=20030101-20051231"
    everything = matches(http.get(url))
    assert matches(http.get(url)) == everything
    pages = [matches(http.get(f"{url}&limit=4&offset={offset}")) for offset in (0, 4, 8)]
    assert [match for page in pages for match in page] == everything
    assert 8 < len(everything) <= 12


def test_8_3_4_4_1_what_takes_many_queries_is_not_counted(http: httpx2.Client, origin: Archive) -> None:
    """C-FIND tells no total, so the Warning comes without a number where that would cost too much."""
    response = http.get(f"{origin.root}/instances", params={**PATIENT, "limit": 1})
    assert len(matches(response)) == 1
    assert remaining(response) == [""]


@pytest.mark.parametrize("name", ["limit", "offset"])
@pytest.mark.parametrize("number", ["-1", "1.5", "many"])
def test_8_3_4_4_they_are_unsigned_integers(
    http: httpx2.Client, origin: Archive, name: str, number: str
) -> None:
    response = http.get(f"{origin.root}/studies", params={name: number})
    assert problem(response, 400)["parameter"] == name


def test_8_3_4_5_two_quotation_marks_match_what_has_no_value(http: httpx2.Client, origin: Archive) -> None:
    """Empty Value Matching (PS3.4 C.2.2.2.7), if asked for."""
    expected = origin.uids("studies", lambda ds: not text(ds, "AccessionNumber"))
    assert 0 < len(expected) < len(origin.uids("studies"))
    key = {"AccessionNumber": '""'}
    assert search(http, origin, "studies", {**key, "emptyvaluematching": "true"}) == expected
    assert search(http, origin, "studies", key) == set()


def test_8_3_4_6_several_values_match_what_has_all_of_them(http: httpx2.Client, origin: Archive) -> None:
    """Multiple Value Matching (PS3.4 C.2.2.2.8), if asked for; else a list of code strings is any of them."""
    key = {"ModalitiesInStudy": "CT\\MR"}
    any_of_them = origin.uids("studies", lambda ds: text(ds, "Modality") in {"CT", "MR"})
    assert search(http, origin, "studies", key) == any_of_them
    ct, mr = (origin.where(Modality=modality).uids("studies") for modality in ("CT", "MR"))
    assert search(http, origin, "studies", {**key, "multiplevaluematching": "true"}) == ct & mr
    response = http.get(
        f"{origin.root}/studies", params={"ModalitiesInStudy": "C*\\MR", "multiplevaluematching": "true"}
    )
    assert problem(response, 400)["parameter"] == "ModalitiesInStudy"


@pytest.mark.parametrize("name", ["_dc", "orderby", "X-something"])
def test_8_3_1_parameters_that_nobody_knows_are_ignored(
    http: httpx2.Client, origin: Archive, name: str
) -> None:
    response = http.get(f"{origin.root}/studies", params={**PATIENT, name: "1"})
    assert len(matches(response)) == 4


@pytest.mark.parametrize("name", ["PatientNam", "0010FFFF", "RequestAttributesSequence.NoAttribute"])
def test_8_3_4_1_what_is_meant_as_an_attribute_and_is_none_is_400(
    http: httpx2.Client, origin: Archive, name: str
) -> None:
    """Our choice, which the README tells: a search is never wider than it was meant to be."""
    response = http.get(f"{origin.root}/studies", params={name: "1"})
    assert problem(response, 400)["parameter"] == name


@pytest.mark.parametrize("level", UNIQUE)
def test_8_3_4_4_1_a_page_is_the_same_at_each_level(http: httpx2.Client, origin: Archive, level: str) -> None:
    url = f"{origin.root}/{level}"
    everything = matches(http.get(url, params=PATIENT))
    assert matches(http.get(url, params={**PATIENT, "limit": "2", "offset": "1"})) == everything[1:3]
