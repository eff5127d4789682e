"""Origins that refuse, drop, cut, forget or trickle: the user gets every byte, or a clear failure."""

import asyncio
from pathlib import Path

import pytest

from isthmus.common.config import DimseOrigin, Quirk
from isthmus.common.dimse import exchange
from isthmus.common.errors import AssociationAborted, OriginTimeout
from isthmus.common.messages import Retrieve
from tests.common.retrieving.whole import Reader
from tests.data_sets import raw_datasets
from tests.dimse_scu.conftest import Serve
from tests.pacs import (
    AbortsAfter,
    AbortsWhenCancelled,
    Behaviour,
    BreaksOffInDataSet,
    DropsIdleAssociation,
    FaultyPacs,
    ForgetsAssociation,
    IgnoresCancel,
    Kind,
    Operation,
    QueuesAssociation,
    RefusesAssociation,
    Slow,
    Trickles,
)


@pytest.mark.parametrize(
    "behaviour",
    [
        AbortsAfter(instances=5, times=1),
        AbortsAfter(instances=5, reset=True, times=1),
        BreaksOffInDataSet(instances=0, times=1),
        BreaksOffInDataSet(instances=5, times=1),
        BreaksOffInDataSet(instances=5, reset=True, times=1),
        BreaksOffInDataSet(instances=3, reset=True),
    ],
)
async def test_what_was_cut_is_fetched_again_and_nothing_else(
    behaviour: Behaviour, read: Reader, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], study: str
) -> None:
    pacs.behave(behaviour)
    assert await read(Retrieve(origin.name, study)) == raw_datasets(images)
    assert len(pacs.sent()) == len(images)


async def test_an_origin_that_cuts_every_first_data_set_fails_clearly(
    read: Reader, origin: DimseOrigin, pacs: FaultyPacs, study: str
) -> None:
    pacs.behave(BreaksOffInDataSet(instances=0))
    with pytest.raises(AssociationAborted):
        await read(Retrieve(origin.name, study))
    assert len(pacs.operations(Operation.GET)) < 12


async def test_a_trickle_is_alive_though_no_message_completes(
    read: Reader,
    serve: Serve,
    pacs: FaultyPacs,
    origin_name: str,
    images: list[Path],
    study: str,
    series: str,
) -> None:
    await serve(origin_name, timeout_seconds=2)
    pacs.behave(Trickles(fragments=7, seconds=0.4))
    uid, data = next(iter(raw_datasets(images).items()))
    assert await read(Retrieve(origin_name, study, series, uid)) == {uid: data}
    assert len(pacs.operations(Operation.GET)) == 1


async def test_an_origin_that_refuses_a_second_association_sends_all_over_one(
    read: Reader, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], study: str
) -> None:
    pacs.behave(RefusesAssociation(beyond=1))
    assert await read(Retrieve(origin.name, study)) == raw_datasets(images)
    assert pacs.associations_at_once() == 1


@pytest.mark.parametrize("behaviour", [RefusesAssociation(beyond=1), QueuesAssociation(beyond=1)])
async def test_one_association_is_never_exceeded_where_the_settings_say_one(
    behaviour: Behaviour,
    read: Reader,
    serve: Serve,
    pacs: FaultyPacs,
    origin_name: str,
    images: list[Path],
    study: str,
) -> None:
    await serve(origin_name, associations=1)
    pacs.behave(behaviour)
    assert await read(Retrieve(origin_name, study)) == raw_datasets(images)
    assert pacs.events(Kind.REJECTED) == pacs.events(Kind.KEPT_WAITING) == []


async def test_an_origin_that_never_answers_a_second_association_fails_clearly_or_sends_all(
    read: Reader, serve: Serve, pacs: FaultyPacs, origin_name: str, images: list[Path], study: str
) -> None:
    await serve(origin_name, timeout_seconds=0.5)
    pacs.behave(QueuesAssociation(beyond=1))
    try:
        assert await read(Retrieve(origin_name, study)) == raw_datasets(images)
    except OriginTimeout:
        assert read.arrived == {}


async def test_an_origin_that_never_answers_any_association_is_a_time_out(
    read: Reader, serve: Serve, pacs: FaultyPacs, origin_name: str, study: str
) -> None:
    await serve(origin_name, timeout_seconds=0.5)
    pacs.behave(QueuesAssociation())
    with pytest.raises(OriginTimeout):
        await read(Retrieve(origin_name, study))


async def test_associations_that_are_dropped_without_a_word_are_opened_anew(
    read: Reader, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], study: str
) -> None:
    pacs.behave(DropsIdleAssociation())
    for _ in range(2):
        assert await read(Retrieve(origin.name, study)) == raw_datasets(images)
    assert len(pacs.sent()) == len(images)


async def test_associations_that_are_forgotten_are_opened_anew_after_the_time_out(
    read: Reader, serve: Serve, pacs: FaultyPacs, origin_name: str, images: list[Path], study: str
) -> None:
    await serve(origin_name, timeout_seconds=2)
    pacs.behave(ForgetsAssociation())
    assert await read(Retrieve(origin_name, study)) == raw_datasets(images)


@pytest.mark.parametrize(
    "behaviour",
    [
        IgnoresCancel(),
        IgnoresCancel(instances=2),
        AbortsWhenCancelled(seconds=20),
        AbortsWhenCancelled(seconds=0.1),
    ],
)
@pytest.mark.parametrize("quirks", [set(), {Quirk.NO_CANCEL}])
async def test_a_transfer_that_nobody_waits_for_ends_whatever_the_origin_makes_of_a_cancel(
    behaviour: Behaviour,
    quirks: set[Quirk],
    read: Reader,
    serve: Serve,
    pacs: FaultyPacs,
    origin_name: str,
    images: list[Path],
    study: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange, "CANCEL_GRACE", 0.5)
    await serve(origin_name, quirks=quirks)
    pacs.behave(behaviour, Slow(seconds=0.3))
    async with asyncio.timeout(10):
        async with read.retrieval.read(Retrieve(origin_name, study)) as reading:
            await anext(reading)
        stops = Kind.CLOSED if quirks else Kind.CANCELLED
        getting = pacs.operations(Operation.GET)[0].association
        await asyncio.to_thread(
            pacs.wait_for, lambda event: event.kind is stops and event.association == getting
        )
    assert pacs.cancels() == (0 if quirks else 1)
    pacs.behave()
    # The next one has the rest, and nothing that is cut.
    assert await read(Retrieve(origin_name, study)) == raw_datasets(images)
    assert len(pacs.operations(Operation.GET)) == 2
