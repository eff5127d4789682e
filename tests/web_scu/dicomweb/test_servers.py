"""What a DICOMweb server may do to a search, and what comes of it: all that matches, or a failure."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import replace

import pytest

from isthmus.common.bus import Bus, search, subjects
from isthmus.common.config import DicomwebOrigin
from isthmus.common.config.settings import Search
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import (
    HttpOperationFailed,
    IsthmusError,
    MalformedAnswer,
    OriginTimeout,
    OriginUnreachable,
    TooManyMatches,
    TruncatedAnswer,
)
from isthmus.common.messages import Echo, EchoDone
from tests.common.webclient.web_origin import Behaviour, Site, says, writes, writes_then_is_silent
from tests.peers import free_port
from tests.waiting import PATIENCE
from tests.web_scu.dicomweb.archive import (
    MODALITIES,
    MODALITY,
    NAME,
    PATIENT,
    SERIES,
    STUDY,
    Archive,
    instances,
)
from tests.web_scu.dicomweb.asking import Key, asked, found, query, uids_of
from tests.web_scu.dicomweb.conftest import Serve

ALL = [f"1.{number}" for number in range(1, 13)]


@pytest.mark.parametrize(
    "habits",
    [
        {"cap": 60},
        {"cap": 7},
        {"cap": 60, "warns": False},
        {"largest_limit": 100, "cap": 100},
        {"largest_limit": 100, "cap": 100, "warns": False},
        {"limits": False, "pages": False},
        {"limits": False, "for_none": "204 No Content"},
        {"cap": 65, "warns": False, "for_none": "404 Not Found"},
    ],
)
async def test_8_3_4_4_all_pages_are_read(
    bus: Bus, origin: DicomwebOrigin, archive: Archive, habits: dict[str, object]
) -> None:
    archive.instances = instances(130)
    archive.has(**habits)
    matches = await found(bus, query(origin.name, Level.STUDY))
    assert uids_of(matches, Level.STUDY) == [f"1.{number}" for number in range(1, 131)]


async def test_a_server_that_has_more_and_does_not_give_it_is_a_failure_and_not_a_short_list(
    bus: Bus, origin: DicomwebOrigin, archive: Archive
) -> None:
    archive.instances = instances(130)
    archive.has(cap=60, pages=False)
    with pytest.raises(MalformedAnswer):
        await found(bus, query(origin.name, Level.STUDY))


async def test_two_patients_with_one_study_uid_are_both_found(
    bus: Bus, origin: DicomwebOrigin, site: Site
) -> None:
    both = '[{"0020000D": {"Value": ["1"]}, "00100020": {"Value": ["A"]}}, {"0020000D": {"Value": ["1"]}}]'
    site.does(says("200 OK", both))
    assert len(await found(bus, query(origin.name, Level.STUDY))) == 2


@pytest.mark.parametrize("status", [400, 404, 405, 501])
async def test_10_6_1_1_a_server_need_not_search_over_several_levels(
    bus: Bus, origin: DicomwebOrigin, archive: Archive, status: int
) -> None:
    archive.has(relational=status)
    series = await found(bus, query(origin.name, Level.SERIES, returned=("PatientID", "Modality")))
    assert len(series) == 36
    assert series[0]["00100020"]["Value"] == ["P1"]
    images = await found(bus, query(origin.name, Level.IMAGE, ("StudyInstanceUID", "1.3")))
    assert uids_of(images, Level.IMAGE) == [f"1.3.{one}.{number}" for one in (1, 2, 3) for number in (1, 2)]
    assert len(await found(bus, query(origin.name, Level.IMAGE))) == 72
    one = await found(bus, query(origin.name, Level.IMAGE, ("SeriesInstanceUID", "1.7.2")))
    assert uids_of(one, Level.IMAGE) == ["1.7.2.1", "1.7.2.2"]


async def test_only_studies_are_looked_into_that_may_match(
    bus: Bus, origin: DicomwebOrigin, archive: Archive, site: Site
) -> None:
    archive.instances = [*instances(3), *instances(12, 3)[9:]]
    archive.has(relational=501)
    keys = (("PatientID", ("P2", "P9")), ("Modality", "MR"))
    series = await found(bus, query(origin.name, Level.SERIES, *keys))
    assert uids_of(series, Level.SERIES) == ["1.9.2"]
    assert sorted(asked(site)) == ["series", "series", "studies", "studies", "studies/1.9/series"]
    site.requests.clear()
    await found(bus, query(origin.name, Level.SERIES, *keys))
    assert sorted(asked(site)) == ["studies", "studies", "studies/1.9/series"]


async def test_each_of_several_studies_is_looked_into_once(
    bus: Bus, origin: DicomwebOrigin, archive: Archive, site: Site
) -> None:
    archive.has(relational=404)
    images = await found(bus, query(origin.name, Level.IMAGE, ("StudyInstanceUID", ("1.2", "1.4"))))
    assert len(images) == 12
    assert sorted(asked(site)) == sorted(
        f"studies/1.{study}/{below}"
        for study in (2, 4)
        for below in (
            "instances",
            "series",
            *(f"series/1.{study}.{number}/instances" for number in (1, 2, 3)),
        )
    )


async def test_a_search_that_is_too_wide_for_a_server_is_refused(
    bus: Bus, serve: Serve, origin_name: str, site: Site, archive: Archive
) -> None:
    serve.search = Search(max_parents=11)
    origin = await serve(origin_name, site.url)
    archive.has(relational=501)
    with pytest.raises(TooManyMatches):
        await found(bus, query(origin.name, Level.SERIES))


async def test_attributes_that_a_server_does_not_know_are_matched_here(
    bus: Bus, origin: DicomwebOrigin, archive: Archive, site: Site
) -> None:
    archive.has(refuses=["includefield", "00100040"])
    keys = (("PatientID", "P4"), ("PatientSex", "M"))
    for _ in range(2):
        site.requests.clear()
        matches = await found(bus, query(origin.name, Level.STUDY, *keys, returned=("StudyDescription",)))
        assert uids_of(matches, Level.STUDY) == ["1.4"]
    assert len(site.requests) == 1  # it is not asked again for what it refuses


async def test_a_key_that_a_server_has_to_take_and_refuses_is_matched_here(
    bus: Bus, origin: DicomwebOrigin, archive: Archive
) -> None:
    """Azure takes no StudyID and no SeriesNumber, Google no SOPClassUID."""
    archive.has(refuses=[MODALITIES, MODALITY, "00200010"])
    keys = (("PatientID", "P4"), ("ModalitiesInStudy", "CT"))
    matches = await found(bus, query(origin.name, Level.STUDY, *keys))
    assert uids_of(matches, Level.STUDY) == ["1.4"]
    assert await found(bus, query(origin.name, Level.STUDY, ("PatientID", "P4"), ("StudyID", "7"))) == []
    within = (("StudyInstanceUID", "1.4"), ("Modality", "MR"))
    assert uids_of(await found(bus, query(origin.name, Level.SERIES, *within)), Level.SERIES) == ["1.4.2"]


async def test_a_search_by_nothing_that_a_server_takes_is_refused_as_the_server_does(
    bus: Bus, origin: DicomwebOrigin, archive: Archive, site: Site
) -> None:
    archive.has(refuses=["00200010"])
    with pytest.raises(HttpOperationFailed, match="400"):
        await found(bus, query(origin.name, Level.STUDY, ("StudyID", "7")))
    assert all("00200010" in request.target for request in site.requests), "not all studies come over"


async def test_a_server_that_refuses_lists_of_uids_is_asked_for_each(
    bus: Bus, origin: DicomwebOrigin, archive: Archive
) -> None:
    archive.has(refuses_lists=True)
    matches = await found(bus, query(origin.name, Level.STUDY, ("StudyInstanceUID", ["1.3", "1.5"])))
    assert uids_of(matches, Level.STUDY) == ["1.3", "1.5"]


async def test_what_the_server_ignores_is_matched_here(
    bus: Bus, origin: DicomwebOrigin, archive: Archive
) -> None:
    archive.has(matches=False)
    matches = await found(bus, query(origin.name, Level.STUDY, ("PatientID", "P1?")))
    assert uids_of(matches, Level.STUDY) == ["1.10", "1.11", "1.12"]
    one = query(origin.name, Level.SERIES, ("StudyInstanceUID", "1.2"), ("SeriesInstanceUID", "1.2.3"))
    assert uids_of(await found(bus, one), Level.SERIES) == ["1.2.3"]


async def test_a_server_that_unescapes_is_not_searched_twice(
    bus: Bus, origin: DicomwebOrigin, archive: Archive, site: Site
) -> None:
    archive.families = {f"P{number}": "Doe" for number in range(1, 13)}
    asks = query(origin.name, Level.STUDY, ("PatientName", "No^Body"), returned=("PatientName",))
    assert await found(bus, asks) == []
    assert len(site.requests) == 3  # to find out takes two
    assert await found(bus, asks) == []
    assert len(site.requests) == 4


@pytest.mark.parametrize(
    ("name", "studies"),
    [
        ("Doe^P1", ["1.1"]),
        ("Doe^P?", ["1.1", "1.2"]),
        ("Müller^*", ["1.3"]),
        ("山田*", ["1.4"]),
        ("山田", []),
    ],
)
async def test_a_server_that_does_not_unescape_finds_all_of_it_too(
    bus: Bus, origin: DicomwebOrigin, archive: Archive, name: str, studies: list[str]
) -> None:
    archive.families = {"P1": "Doe", "P2": "Doe", "P3": "Müller", "P4": "山田"}
    archive.has(unescapes=False)
    for _ in range(2):
        matches = await found(bus, query(origin.name, Level.STUDY, ("PatientName", name)))
        assert uids_of(matches, Level.STUDY) == studies


async def test_nothing_is_concluded_from_patients_without_names(
    bus: Bus, origin: DicomwebOrigin, site: Site
) -> None:
    await found(bus, query(origin.name, Level.STUDY, ("PatientID", "No^Body")))
    assert len(site.requests) == 2


async def test_what_is_matched_here_alone_and_is_not_there_does_not_match(
    bus: Bus, origin: DicomwebOrigin, archive: Archive
) -> None:
    archive.families = {"P2": "Doe"}
    archive.has(leaves_out=[NAME])
    asks = query(origin.name, Level.STUDY, ("PatientName", "doe"))
    assert await found(bus, replace(asks, fuzzy=True)) == []
    archive.has(leaves_out=[])
    assert uids_of(await found(bus, replace(asks, fuzzy=True)), Level.STUDY) == ["1.2"]


async def test_an_attribute_of_a_sequence_is_matched_here(
    bus: Bus, origin: DicomwebOrigin, site: Site
) -> None:
    series = [
        {
            SERIES: {"vr": "UI", "Value": [uid]},
            "00400275": {"vr": "SQ", "Value": [{"00401001": {"vr": "SH", "Value": [procedure]}}]},
        }
        for uid, procedure in (("1.1.1", "A1"), ("1.1.2", "B2"))
    ]
    site.does(says("200 OK", json.dumps(series)))
    path = "RequestAttributesSequence.RequestedProcedureID"
    keys = (("StudyInstanceUID", "1.1"), (path, "B2"))
    matches = await found(bus, query(origin.name, Level.SERIES, *keys, returned=(path,)))
    assert uids_of(matches, Level.SERIES) == ["1.1.2"]
    assert matches[0]["00400275"] == series[1]["00400275"]


@pytest.mark.parametrize("lists", [True, False])
async def test_a_server_need_not_know_lists_of_uids(
    bus: Bus, origin: DicomwebOrigin, archive: Archive, site: Site, *, lists: bool
) -> None:
    archive.has(lists=lists)
    uids = ("1.4", "1.2", "7.7")
    matches = await found(bus, query(origin.name, Level.STUDY, ("StudyInstanceUID", uids)))
    assert sorted(uids_of(matches, Level.STUDY)) == ["1.2", "1.4"]
    assert len(site.requests) == (1 if lists else 4)


async def test_uids_above_are_searched_one_by_one_in_their_order(bus: Bus, origin: DicomwebOrigin) -> None:
    keys: list[Key] = [("StudyInstanceUID", ("1.9", "1.2", "1.5")), ("Modality", "CT")]
    matches = await found(bus, query(origin.name, Level.SERIES, *keys))
    assert uids_of(matches, Level.SERIES) == ["1.9.1", "1.2.1", "1.5.1"]


async def test_several_values_are_asked_for_one_by_one_and_each_match_is_given_once(
    bus: Bus, origin: DicomwebOrigin, archive: Archive, site: Site
) -> None:
    archive.instances = [*instances(2), *instances(4, 2)[4:], *instances(5, 3)[14:]]
    modalities = ("ModalitiesInStudy", ("MR", "PT", "CT"))
    matches = await found(bus, query(origin.name, Level.STUDY, modalities))
    assert sorted(uids_of(matches, Level.STUDY)) == ["1.1", "1.2", "1.3", "1.4", "1.5"]
    assert asked(site) == ["studies"] * 3
    archive.has(matches=False)
    matches = await found(bus, query(origin.name, Level.STUDY, ("ModalitiesInStudy", ("MR", "PT"))))
    assert uids_of(matches, Level.STUDY) == ["1.3", "1.4", "1.5"]


async def test_only_what_was_asked_for_is_given_and_nothing_of_where_it_is(
    bus: Bus, origin: DicomwebOrigin
) -> None:
    asks = query(origin.name, Level.STUDY, ("StudyInstanceUID", "1.1"), returned=("RetrieveURL", "PatientID"))
    (match,) = await found(bus, asks)
    assert match == {
        "00080054": {"vr": "AE", "Value": [origin.ae_title]},
        PATIENT: {"vr": "LO", "Value": ["P1"]},
        STUDY: {"vr": "UI", "Value": ["1.1"]},
    }


@pytest.mark.parametrize("behaviour", [says("404 Not Found"), says("410 Gone"), says("204 No Content")])
@pytest.mark.parametrize("keys", [(), (("StudyInstanceUID", "1"),)])
async def test_what_is_not_found_is_no_match(
    bus: Bus, origin: DicomwebOrigin, site: Site, behaviour: Behaviour, keys: Iterable[Key]
) -> None:
    site.does(behaviour)
    for level in Level:
        assert await found(bus, query(origin.name, level, *keys)) == []


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (says("500 Internal Server Error", "P1"), HttpOperationFailed),
        (says("401 Unauthorized"), HttpOperationFailed),
        (says("400 Bad Request"), HttpOperationFailed),
        (says("200 OK", "<html>P1</html>", kind="text/html"), MalformedAnswer),
        (says("200 OK", '"P1"'), MalformedAnswer),
        (says("302 Found", "", "Location: /dicom-web/studies"), MalformedAnswer),
        (writes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[", ends=True), TruncatedAnswer),
        (writes_then_is_silent(), OriginTimeout),
    ],
)
async def test_a_failure_is_told_without_what_the_server_said_and_the_next_search_works(
    bus: Bus,
    serve: Serve,
    origin_name: str,
    site: Site,
    archive: Archive,
    behaviour: Behaviour,
    error: type[IsthmusError],
) -> None:
    # A short one also bounds the time for connecting, which a busy machine may take.
    origin = await serve(origin_name, site.url, timeout_seconds=2 if error is OriginTimeout else 30)
    site.does(behaviour)
    with pytest.raises(error) as failed:
        await found(bus, query(origin.name, Level.STUDY, ("PatientID", "P1")))
    assert "P1" not in str(failed.value)
    site.does(archive)
    assert uids_of(await found(bus, query(origin.name, Level.STUDY)), Level.STUDY) == ALL


async def test_a_failure_of_a_later_page_is_a_failure(bus: Bus, origin: DicomwebOrigin, site: Site) -> None:
    more = "Warning: 299 here: There are 3 additional results that can be requested"
    site.does(says("200 OK", '[{"0020000D": {"Value": ["1"]}}]', more), says("404 Not Found"))
    with pytest.raises(HttpOperationFailed):
        await found(bus, query(origin.name, Level.STUDY))


async def test_a_server_that_is_not_there_is_unreachable(bus: Bus, serve: Serve, origin_name: str) -> None:
    origin = await serve(origin_name, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(OriginUnreachable):
        await found(bus, query(origin.name, Level.STUDY))
    answer = await bus.request(subjects.echo(origin.name), Echo(origin.name), EchoDone)
    assert answer.failure is not None
    assert answer.failure.kind == "OriginUnreachable"


async def test_leaving_early_ends_the_request(bus: Bus, origin: DicomwebOrigin, site: Site) -> None:
    more = "Warning: 299 here: There are 3 additional results that can be requested"
    site.does(says("200 OK", '[{"0020000D": {"Value": ["1"]}}]', more), writes_then_is_silent())
    async with search(bus, query(origin.name, Level.STUDY)) as matches:
        await anext(matches)
    async with asyncio.timeout(PATIENCE):
        await site.ended.wait()


async def test_what_is_logged_of_searches_names_nobody(
    bus: Bus, origin: DicomwebOrigin, archive: Archive, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    archive.families = {"P1": "Doe"}
    archive.has(unescapes=False, relational=501, leaves_out=[MODALITIES])
    key = ("PatientName", "Doe^P1")
    for level in Level:
        await found(bus, query(origin.name, level, key, returned=("PatientName", "ModalitiesInStudy")))
    site.does(says("404 Not Found"))
    await found(bus, query(origin.name, Level.STUDY, key))
    logged = "".join(capsys.readouterr())
    for event in ("does not unescape", "no relational searches", "studies not found"):
        assert event in logged
    assert "Doe" not in logged
    assert "1.1" not in logged
