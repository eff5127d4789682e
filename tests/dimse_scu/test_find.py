"""What a PACS may do to a search, and what comes of it."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from isthmus.common.bus import Bus, search, subjects
from isthmus.common.config import DimseOrigin, Quirk
from isthmus.common.dicom import summaries
from isthmus.common.dicom.attributes import parse_path
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey, Wanted
from isthmus.common.errors import (
    AssociationRejected,
    IsthmusError,
    OperationFailed,
    OriginTimeout,
    OriginUnreachable,
    TooManyMatches,
)
from isthmus.common.messages import Echo, EchoDone, Query
from isthmus.dimse_scu import availability, find
from tests.data_sets import identity, make_series
from tests.dimse_scu.conftest import Serve
from tests.pacs import (
    Behaviour,
    CountsWrongly,
    FaultyPacs,
    FindEndsLate,
    FindFails,
    ForgetsAssociation,
    IgnoresMatchingKeys,
    Kind,
    LeavesOut,
    Operation,
    RefusesAssociation,
    Silent,
    TellsAvailability,
)
from tests.peers import free_port
from tests.waiting import PATIENCE

RETURN = tuple(
    parse_path(name, "test")
    for name in ("StudyInstanceUID", "PatientID", "PatientName", "ModalitiesInStudy", "StudyDate")
)


def studies(origin: str, *keys: tuple[str, str], fuzzy: bool = False) -> Query:
    matching = tuple(MatchingKey(parse_path(name, "test"), (value,)) for name, value in keys)
    return Query(origin, Level.STUDY, matching, RETURN, fuzzy)


async def found(bus: Bus, query: Query) -> list[DicomJson]:
    async with search(bus, query) as matches:
        return [match async for match in matches]


def uids_of(matches: list[DicomJson]) -> set[object]:
    return {match["0020000D"]["Value"][0] for match in matches}


async def test_a_study_is_found(bus: Bus, origin: DimseOrigin, study: str) -> None:
    (match,) = await found(bus, studies(origin.name, ("StudyInstanceUID", study)))
    assert match["0020000D"] == {"vr": "UI", "Value": [study]}


async def test_no_match_is_an_empty_list(bus: Bus, origin: DimseOrigin) -> None:
    assert await found(bus, studies(origin.name, ("StudyInstanceUID", "1.2.3"))) == []


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (RefusesAssociation(), AssociationRejected),
        (Silent(), OriginTimeout),
        (FindFails(status=0xA700), OperationFailed),
        (FindFails(status=0xC001, matches=1), OperationFailed),
    ],
)
async def test_a_failure_is_told_and_the_next_search_works(
    bus: Bus,
    serve: Serve,
    origin_name: str,
    pacs: FaultyPacs,
    study: str,
    behaviour: Behaviour,
    error: type[IsthmusError],
) -> None:
    origin = await serve(origin_name, timeout_seconds=3 if error is OriginTimeout else 20)
    pacs.behave(behaviour)
    with pytest.raises(error):
        await found(bus, studies(origin.name))
    pacs.behave()
    assert study in uids_of(await found(bus, studies(origin.name)))


async def test_an_origin_that_is_not_there_is_unreachable(bus: Bus, serve: Serve, origin_name: str) -> None:
    origin = await serve(origin_name, port=free_port())
    with pytest.raises(OriginUnreachable):
        await found(bus, studies(origin.name))


async def test_an_association_that_the_origin_dropped_is_opened_again(
    bus: Bus, serve: Serve, origin_name: str, images: list[Path], study: str
) -> None:
    port = free_port()
    with FaultyPacs(images, port=port):
        origin = await serve(origin_name, port=port)
        await found(bus, studies(origin.name))
    with FaultyPacs(images, port=port):
        assert study in uids_of(await found(bus, studies(origin.name)))


async def test_associations_are_used_again(bus: Bus, origin: DimseOrigin, pacs: FaultyPacs) -> None:
    for _ in range(5):
        await found(bus, studies(origin.name))
    assert pacs.associations() == 1


async def test_keys_that_the_origin_ignores_are_matched_here(
    bus: Bus, origin: DimseOrigin, pacs: FaultyPacs
) -> None:
    pacs.behave(IgnoresMatchingKeys())
    assert await found(bus, studies(origin.name, ("PatientID", "nobody"))) == []


def derived(query: Query) -> Query:
    tags = tuple((tag,) for tag in ("00080061", "00201206", "00201208"))
    return replace(query, return_keys=(*query.return_keys, *tags))


@pytest.mark.parametrize(
    ("name", "value", "is_match"),
    [
        ("ModalitiesInStudy", "CT", True),
        ("ModalitiesInStudy", "MR", False),
        ("NumberOfStudyRelatedInstances", "12", True),
        ("NumberOfStudyRelatedInstances", "11", False),
        ("NumberOfStudyRelatedSeries", "1", True),
        ("NumberOfStudyRelatedSeries", "2", False),
    ],
)
async def test_what_the_origin_does_not_know_of_a_study_is_asked_of_its_series_before_it_is_judged(
    bus: Bus, origin: DimseOrigin, pacs: FaultyPacs, name: str, value: str, is_match: bool
) -> None:
    pacs.behave(LeavesOut(keywords=[name]))
    matches = await found(bus, derived(studies(origin.name, (name, value))))
    assert bool(matches) is is_match
    if is_match:
        (tag,) = parse_path(name, name)
        assert matches[0][tag]["Value"] == [int(value) if value.isdecimal() else value]


async def test_series_are_asked_only_of_studies_that_match_otherwise(
    bus: Bus, origin: DimseOrigin, pacs: FaultyPacs
) -> None:
    pacs.behave(IgnoresMatchingKeys(), LeavesOut(keywords=["ModalitiesInStudy"]))
    query = studies(origin.name, ("ModalitiesInStudy", "CT"), ("PatientID", "nobody"))
    assert await found(bus, query) == []
    assert "SERIES" not in {event.level for event in pacs.operations(Operation.FIND)}


async def test_series_are_not_asked_for_what_a_study_is_not_judged_by(
    bus: Bus, origin: DimseOrigin, pacs: FaultyPacs
) -> None:
    pacs.behave(LeavesOut(keywords=["ModalitiesInStudy"]))
    (match,) = await found(bus, studies(origin.name))
    assert "00080061" not in match
    assert "SERIES" not in {event.level for event in pacs.operations(Operation.FIND)}


async def test_counts_that_are_said_to_be_wrong_are_not_summed_up(
    bus: Bus, serve: Serve, pacs: FaultyPacs, origin_name: str
) -> None:
    origin = await serve(origin_name, quirks=[Quirk.WRONG_COUNTS])
    pacs.behave(CountsWrongly(count=3), LeavesOut(keywords=["NumberOfStudyRelatedInstances"]))
    (match,) = await found(bus, derived(studies(origin.name, ("NumberOfStudyRelatedInstances", "12"))))
    assert "00201208" not in match


async def test_several_values_are_matched_here(bus: Bus, origin: DimseOrigin) -> None:
    for values, count in ((("CT",), 1), (("CT", "PT"), 0)):
        key = MatchingKey(parse_path("ModalitiesInStudy", "test"), values, Wanted.EVERY)
        assert len(await found(bus, replace(studies(origin.name), keys=(key,)))) == count


async def test_empty_values_are_matched_here(bus: Bus, origin: DimseOrigin, study: str) -> None:
    for name, count in (("PatientID", 0), ("IssuerOfPatientID", 1)):
        key = MatchingKey(parse_path(name, "test"), (), Wanted.NOTHING)
        query = Query(origin.name, Level.STUDY, (key,), RETURN)
        assert len(await found(bus, query)) == count


def availabilities(matches: list[DicomJson]) -> list[object]:
    return [match["00080056"]["Value"] if "00080056" in match else None for match in matches]


async def test_10_6_3_3_whether_studies_are_online_is_asked_once_it_is_known_that_the_origin_tells(
    bus: Bus, origin: DimseOrigin, pacs: FaultyPacs
) -> None:
    pacs.behave(TellsAvailability(availability="NEARLINE"))
    query = replace(studies(origin.name), return_keys=(*RETURN, ("00080056",)))
    assert availabilities(await found(bus, query)) == [None]
    assert availabilities(await found(bus, query)) == [["NEARLINE"]]


@pytest.mark.parametrize("behaviour", [None, LeavesOut(keywords=["InstanceAvailability"])])
async def test_an_origin_that_does_not_know_whether_studies_are_online_is_not_asked_again(
    bus: Bus, origin: DimseOrigin, pacs: FaultyPacs, behaviour: Behaviour | None
) -> None:
    pacs.behave(*([behaviour] if behaviour else []))
    query = replace(studies(origin.name), return_keys=(*RETURN, ("00080056",)))
    for _ in range(3):
        (match,) = await found(bus, query)
        assert "00080056" not in match
    asked = ["InstanceAvailability" in event.keys for event in pacs.operations(Operation.FIND)]
    assert asked == [False, True, False, False]
    assert pacs.associations() == 1


async def test_a_failure_to_say_whether_studies_are_online_fails_no_search(
    bus: Bus, origin: DimseOrigin, pacs: FaultyPacs, monkeypatch: pytest.MonkeyPatch
) -> None:
    pacs.behave(ForgetsAssociation())
    monkeypatch.setattr(availability, "PATIENCE_SECONDS", 0.2)
    query = replace(studies(origin.name), return_keys=(*RETURN, ("00080056",)))
    assert len(await found(bus, query)) == 1
    pacs.behave()
    assert len(await found(bus, query)) == 1


async def test_more_studies_than_can_be_completed_are_a_failure_and_not_a_short_list(
    bus: Bus, serve: Serve, origin_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "HELD_BACK_AT_MOST", 3)
    monkeypatch.setattr(summaries, "lacking", lambda *_: frozenset({"00080061"}))
    files = [file for seed in range(60, 65) for file in make_series(tmp_path, 1, seed=seed)]
    with FaultyPacs(files) as pacs:
        origin = await serve(origin_name, port=pacs.peer.port)
        async with search(bus, studies(origin.name, ("ModalitiesInStudy", "CT"))) as matches:
            assert len({str(await anext(matches)) for _ in range(3)}) == 3
            with pytest.raises(TooManyMatches):
                await anext(matches)


async def test_leaving_early_cancels_the_query(
    bus: Bus, serve: Serve, origin_name: str, tmp_path: Path
) -> None:
    files = [file for seed in range(300) for file in make_series(tmp_path, 1, seed=seed)]
    with FaultyPacs(files) as pacs:
        pacs.behave(FindEndsLate(seconds=PATIENCE, times=1))
        origin = await serve(origin_name, port=pacs.peer.port)
        query = Query(origin.name, Level.STUDY, (), (("0020000D",),))
        async with search(bus, query) as matches:
            await anext(matches)
        await asyncio.to_thread(pacs.wait_for, lambda event: event.kind is Kind.CANCELLED)
        assert len(await found(bus, query)) == 300


async def test_searches_are_filtered_by_series_and_instance(
    bus: Bus, origin: DimseOrigin, study: str, images: list[Path]
) -> None:
    first = identity(images[0])
    keys = (
        MatchingKey(("0020000D",), (study,)),
        MatchingKey(("0020000E",), (first.series_instance_uid,)),
        MatchingKey(("00080018",), (first.sop_instance_uid, identity(images[1]).sop_instance_uid)),
    )
    matches = await found(bus, Query(origin.name, Level.IMAGE, keys, (("00080018",), ("00200013",))))
    assert [match["00200013"]["Value"] for match in matches] == [[1], [2]]


async def test_an_echo_tells_how_long_it_took(bus: Bus, origin: DimseOrigin, pacs: FaultyPacs) -> None:
    answer = await bus.request(subjects.echo(origin.name), Echo(origin.name), EchoDone)
    assert answer.failure is None
    assert 0 < answer.latency_ms < 5000
    assert len(pacs.operations(Operation.ECHO)) == 1


async def test_an_echo_tells_why_it_failed(bus: Bus, origin: DimseOrigin, pacs: FaultyPacs) -> None:
    pacs.behave(RefusesAssociation())
    answer = await bus.request(subjects.echo(origin.name), Echo(origin.name), EchoDone)
    assert answer.failure is not None
    assert answer.failure.kind == "AssociationRejected"
