"""What an origin lists and does not deliver is remembered for a while, unless a later try may be luckier."""

from pathlib import Path

import pytest

from isthmus.common.bus import Bus
from isthmus.common.errors import Incomplete
from isthmus.common.messages import Lacking, Retrieve
from isthmus.common.retrieving import series as series_module
from tests.common.retrieving.facts import done, facts_of, ready
from tests.common.retrieving.whole import Reader
from tests.data_sets import identity
from tests.dimse_scu.changing import Changing, names
from tests.pacs import (
    AbortsAfter,
    Behaviour,
    FailsRetrieve,
    FailsSuboperations,
    FaultyPacs,
    Operation,
    SuccessWithNothingSent,
)


async def test_what_the_origin_refuses_is_remembered(
    bus: Bus, wanted: Retrieve, pacs: FaultyPacs, uids: list[str]
) -> None:
    pacs.behave(FailsSuboperations(statuses={uids[5]: 0xC000}))
    first = await facts_of(bus, wanted)
    assert [missing.sop_instance_uid for missing in done(first).missing] == [uids[5]]
    pacs.forget()
    assert done(await facts_of(bus, wanted)).confirmed
    assert pacs.operations(Operation.GET) == []


async def test_what_was_refused_is_asked_for_again_after_a_while(
    bus: Bus, wanted: Retrieve, pacs: FaultyPacs, uids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pacs.behave(FailsSuboperations(statuses={uids[5]: 0xC000}))
    await facts_of(bus, wanted)
    pacs.forget()
    pacs.behave()
    monkeypatch.setattr(series_module, "REMEMBERED_SECONDS", 0)
    again = await facts_of(bus, wanted)
    assert isinstance(again[1], Lacking)
    assert pacs.sent() == [uids[5]] == ready(again)
    assert done(again).missing == ()
    monkeypatch.undo()
    assert done(await facts_of(bus, wanted)).confirmed


async def test_what_is_remembered_is_told_before_anything_comes(
    bus: Bus, changed: Retrieve, changing: Changing, two_series: list[Path]
) -> None:
    bad = identity(two_series[1]).sop_instance_uid
    changing.holds(two_series[:4]).behave(FailsSuboperations(statuses={bad: 0xC000}))
    await facts_of(bus, changed)
    changing.holds(two_series).behave(FailsSuboperations(statuses={bad: 0xC000}))
    facts = await facts_of(bus, changed)
    lacking = facts[1]
    assert isinstance(lacking, Lacking)
    assert [missing.sop_instance_uid for missing in lacking.missing] == [bad]
    assert set(ready(facts)) == names(two_series[4:])
    assert done(facts).missing == lacking.missing


async def test_what_is_remembered_is_a_clean_end_though_the_origin_broke_off_once_meanwhile(
    read: Reader, changed: Retrieve, changing: Changing, two_series: list[Path]
) -> None:
    bad = identity(two_series[1]).sop_instance_uid
    refuses = FailsSuboperations(statuses={bad: 0xC000})
    changing.holds(two_series[:4]).behave(refuses)
    with pytest.raises(Incomplete):
        await read(changed)
    changing.holds(two_series).behave(refuses, AbortsAfter(instances=1, times=1))
    assert set(await read(changed)) == names(two_series) - {bad}
    assert read.lacking is not None
    assert [missing.sop_instance_uid for missing in read.lacking.missing] == [bad]


async def test_what_did_not_come_because_the_origin_broke_off_is_not_remembered(
    bus: Bus, wanted: Retrieve, pacs: FaultyPacs, uids: list[str]
) -> None:
    pacs.behave(AbortsAfter(instances=0))
    assert len(done(await facts_of(bus, wanted)).missing) == len(uids)
    pacs.behave()
    facts = await facts_of(bus, wanted)
    assert not any(isinstance(fact, Lacking) for fact in facts)
    assert set(ready(facts)) == set(uids)


async def test_a_single_instance_that_is_refused_is_remembered(
    bus: Bus, one: Retrieve, pacs: FaultyPacs
) -> None:
    assert one.instance is not None
    pacs.behave(FailsSuboperations(statuses={one.instance: 0xC000}))
    assert done(await facts_of(bus, one)).failure is not None
    pacs.forget()
    facts = await facts_of(bus, one)
    assert isinstance(facts[1], Lacking)
    assert [missing.sop_instance_uid for missing in done(facts).missing] == [one.instance]
    assert pacs.operations(Operation.GET) == []


@pytest.mark.parametrize("busy", [SuccessWithNothingSent(), FailsRetrieve(status=0xA702)])
async def test_what_an_origin_that_is_busy_does_not_send_is_not_remembered(
    bus: Bus, wanted: Retrieve, one: Retrieve, pacs: FaultyPacs, uids: list[str], busy: Behaviour
) -> None:
    for asked, all_of_it in ((one, {one.instance}), (wanted, set(uids) - {one.instance})):
        pacs.behave(busy)
        assert done(await facts_of(bus, asked)).failure is not None
        pacs.behave()
        facts = await facts_of(bus, asked)
        assert not any(isinstance(fact, Lacking) for fact in facts)
        assert set(ready(facts)) == all_of_it
