"""What a PACS may do to a search, and what comes of it."""

import asyncio
from pathlib import Path

import pytest

from isthmus.common.bus import Bus, search, subjects
from isthmus.common.config import Origin
from isthmus.common.dicom.attributes import parse_path
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.errors import (
    AssociationRejected,
    IsthmusError,
    OperationFailed,
    OriginTimeout,
    OriginUnreachable,
    TooManyMatches,
)
from isthmus.common.messages import Echo, EchoDone, Query
from isthmus.dimse_scu import find
from tests.data_sets import identity, make_series
from tests.dimse_scu.conftest import Serve
from tests.pacs import (
    Behaviour,
    FaultyPacs,
    FindFails,
    IgnoresMatchingKeys,
    Kind,
    Operation,
    RefusesAssociation,
    Silent,
)
from tests.peers import free_port

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


async def test_a_study_is_found(bus: Bus, origin: Origin, study: str) -> None:
    (match,) = await found(bus, studies(origin.name, ("StudyInstanceUID", study)))
    assert match["0020000D"] == {"vr": "UI", "Value": [study]}


async def test_no_match_is_an_empty_list(bus: Bus, origin: Origin) -> None:
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
    origin: Origin,
    pacs: FaultyPacs,
    study: str,
    behaviour: Behaviour,
    error: type[IsthmusError],
) -> None:
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


async def test_associations_are_used_again(bus: Bus, origin: Origin, pacs: FaultyPacs) -> None:
    for _ in range(5):
        await found(bus, studies(origin.name))
    assert pacs.associations() == 1


async def test_keys_that_the_origin_ignores_are_matched_here(
    bus: Bus, origin: Origin, pacs: FaultyPacs
) -> None:
    pacs.behave(IgnoresMatchingKeys())
    assert await found(bus, studies(origin.name, ("PatientID", "nobody"))) == []


async def test_modalities_that_the_origin_leaves_out_are_filled_in(
    bus: Bus, origin: Origin, study: str
) -> None:
    (match,) = await found(
        bus, studies(origin.name, ("StudyInstanceUID", study), ("ModalitiesInStudy", "CT"))
    )
    assert match["00080061"] == {"vr": "CS", "Value": ["CT"]}


async def test_more_studies_than_can_be_completed_are_a_failure_and_not_a_short_list(
    bus: Bus, serve: Serve, origin_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "HELD_BACK_AT_MOST", 3)
    monkeypatch.setattr(find, "needs_completing", lambda *_: True)
    files = [file for seed in range(60, 65) for file in make_series(tmp_path, 1, seed=seed)]
    with FaultyPacs(files) as pacs:
        origin = await serve(origin_name, port=pacs.peer.port)
        async with search(bus, studies(origin.name)) as matches:
            assert len({str(await anext(matches)) for _ in range(3)}) == 3
            with pytest.raises(TooManyMatches):
                await anext(matches)


async def test_a_modality_that_no_series_has_does_not_match(bus: Bus, origin: Origin, study: str) -> None:
    assert await found(bus, studies(origin.name, ("ModalitiesInStudy", "MR"))) == []


async def test_leaving_early_cancels_the_query(
    bus: Bus, serve: Serve, origin_name: str, tmp_path: Path
) -> None:
    files = [file for seed in range(300) for file in make_series(tmp_path, 1, seed=seed)]
    with FaultyPacs(files) as pacs:
        origin = await serve(origin_name, port=pacs.peer.port)
        query = Query(origin.name, Level.STUDY, (), (("0020000D",),))
        async with search(bus, query) as matches:
            await anext(matches)
        await asyncio.to_thread(pacs.wait_for, lambda event: event.kind is Kind.CANCELLED)
        assert len(await found(bus, query)) == 300


async def test_searches_are_filtered_by_series_and_instance(
    bus: Bus, origin: Origin, study: str, images: list[Path]
) -> None:
    first = identity(images[0])
    keys = (
        MatchingKey(("0020000D",), (study,)),
        MatchingKey(("0020000E",), (first.series_instance_uid,)),
        MatchingKey(("00080018",), (first.sop_instance_uid, identity(images[1]).sop_instance_uid)),
    )
    matches = await found(bus, Query(origin.name, Level.IMAGE, keys, (("00080018",), ("00200013",))))
    assert [match["00200013"]["Value"] for match in matches] == [[1], [2]]


async def test_an_echo_tells_how_long_it_took(bus: Bus, origin: Origin, pacs: FaultyPacs) -> None:
    answer = await bus.request(subjects.echo(origin.name), Echo(origin.name), EchoDone)
    assert answer.failure is None
    assert 0 < answer.latency_ms < 5000
    assert len(pacs.operations(Operation.ECHO)) == 1


async def test_an_echo_tells_why_it_failed(bus: Bus, origin: Origin, pacs: FaultyPacs) -> None:
    pacs.behave(RefusesAssociation())
    answer = await bus.request(subjects.echo(origin.name), Echo(origin.name), EchoDone)
    assert answer.failure is not None
    assert answer.failure.kind == "AssociationRejected"
