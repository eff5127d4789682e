"""Retention over real NATS and S3: what goes, what stays, and what comes in between."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from isthmus.arrivals.retention.rules import TOMBSTONE_SECONDS
from isthmus.arrivals.retention.serve import Retention, Turn, retention
from isthmus.arrivals.worker import arriving
from isthmus.common.blobs import BlobStore
from isthmus.common.blobs.keys import inbox_prefix
from isthmus.common.bus import Bus
from isthmus.common.bus.dead import bury, find, remove, replay
from isthmus.common.bus.forwards import ForwardedStudies, enqueue
from isthmus.common.inbox.deposit import Deposits
from isthmus.common.inbox.remove import Remover
from isthmus.common.inbox.state import Arrival, Phase, States, StudyState
from isthmus.common.messages import DeadLetter, Forwarded, Forwarding, encode
from isthmus.common.retrieval import LastReads
from isthmus.common.service import Parts
from isthmus.web_scu.inbox.head import incoming
from tests.arrivals.forwards import Site
from tests.common.inbox.studies import arrived, inbox_of
from tests.data_sets import make_series
from tests.measured import measured
from tests.waiting import until

DAY = 86_400.0


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two images of one series."""
    return make_series(tmp_path_factory.mktemp("retention"), 2)


class Ward(Site):
    """An inbox with a study that has arrived."""

    state: StudyState

    @classmethod
    async def of(cls, bus: Bus, blobs: BlobStore, inbox: str, files: list[Path]) -> "Ward":
        ward = cls(bus, blobs, inbox)
        await ward.forget_place()
        (ward.state,) = await arrived(
            bus, blobs, inbox, files, Arrival(Phase.SETTLED, 1, last_stored=time.time())
        )
        ward.study = ward.state.study
        return ward

    async def turn(self, *rules: dict[str, object], later: float = 0.0, **inbox: float) -> Turn:
        """Let retention look once, so many seconds from now."""
        settings = self.settings(*rules, **inbox)  # type: ignore[arg-type]  # each is a field of it
        return await Retention(Parts(settings, self.bus, self.blobs)).turn(time.time() + later)

    async def keys(self) -> list[str]:
        """Give the keys of the instances in S3."""
        return [listed.key async for listed in self.blobs.list(inbox_prefix(self.inbox, self.study))]

    async def record(self) -> StudyState:
        """Give the study's record."""
        return (await States(self.bus).get(self.inbox, self.study)).state

    async def is_there(self) -> bool:
        """Whether all of it is."""
        return len(await self.keys()) == 2 and (await self.record()).contents == self.state.contents

    async def went(self) -> None:
        """Let it be at its destination."""
        await self.note(Forwarded(revision=1))

    async def note(self, went: Forwarded) -> None:
        """Write down how it went to its destination."""
        await ForwardedStudies(self.bus).change(self.inbox, self.study, self.destination, lambda _: went)


@pytest.fixture
async def ward(own_bus: Bus, blobs: BlobStore, origin_name: str, series: list[Path]) -> AsyncIterator[Ward]:
    """Its study is two images; arrivals runs, so that everything is merged."""
    ward = await Ward.of(own_bus, blobs, origin_name, series)
    async with arriving(Parts(ward.settings(), own_bus, blobs)):
        yield ward
    await ward.dismiss()


async def test_a_study_goes_when_nothing_came_for_so_many_days(ward: Ward) -> None:
    assert await ward.turn(keep_days=2, later=1.9 * DAY) == Turn()
    assert await ward.is_there()
    assert await ward.turn(keep_days=2, later=2.1 * DAY) == Turn(studies=1)
    assert await ward.keys() == []
    record = await ward.record()
    assert (record.contents, record.instances, record.removals) == (None, 0, ())
    labels = {"dicom_origin": ward.state.origin, "isthmus_reason": "aged"}
    assert measured("isthmus_inbox_expired_total", **labels) == 1
    assert record.life > ward.state.life


async def test_however_many_studies_are_old_all_of_them_go(
    ward: Ward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.arrivals.retention.serve.TOGETHER", 2)
    others = [file for seed in range(1, 5) for file in make_series(tmp_path / str(seed), 1, seed=seed)]
    await arrived(
        ward.bus, ward.blobs, ward.inbox, others, Arrival(Phase.SETTLED, 1, last_stored=time.time())
    )
    assert await ward.turn(keep_days=2, later=2.1 * DAY) == Turn(studies=5)


async def test_a_study_that_is_being_read_stays(ward: Ward) -> None:
    await LastReads(ward.bus).touch(ward.inbox, ward.study)
    assert await ward.turn(keep_days=0.0001, later=60.0) == Turn()
    assert await ward.is_there()
    assert await ward.turn(keep_days=0.0001, later=700.0) == Turn(studies=1)


async def test_a_study_of_which_something_is_on_its_way_stays_however_old(ward: Ward) -> None:
    waiting = Forwarding(uuid4().hex, ward.inbox, ward.study, ward.destination, (ward.ref(1),), 1.0)
    await enqueue(ward.bus, waiting)
    assert (await ward.turn(keep_days=1, later=100 * DAY)).studies == 0
    assert await ward.is_there()


async def test_a_study_goes_once_it_is_where_it_is_forwarded_to(ward: Ward) -> None:
    taken = ward.employ()
    refs = [ward.ref(1), ward.ref(2)]
    async with ward.forwarding():
        assert await ward.turn({}, delete_forwarded=True) == Turn()
        await ward.announce(*refs)
        await taken.next()
        await ward.noted()
        await ward.done()
        assert await ward.turn({}, delete_forwarded=True) == Turn(studies=1)
    assert await ward.keys() == []
    assert await ForwardedStudies(ward.bus).destinations(ward.inbox, ward.study) == {}


async def test_a_study_whose_events_nobody_has_looked_at_stays(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forwarding is just starting: what it will do nobody knows."""
    monkeypatch.setattr("isthmus.arrivals.retention.serve.CAUGHT_UP_SECONDS", 0.2)
    await ward.went()
    assert await ward.turn({}, delete_forwarded=True) == Turn()
    assert await ward.is_there()


async def dead_letter(ward: Ward) -> int:
    """Let something of the study not have got there."""
    lost = Forwarding(uuid4().hex, ward.inbox, ward.study, ward.destination, (ward.ref(1),), 1.0)
    await bury(ward.bus, DeadLetter("forward", ward.destination, "", 1, 1.0, 1.0, encode(lost)), lost.id)
    return (await ward.dead())[-1].number


async def test_a_study_with_a_dead_letter_stays_until_that_was_replayed(ward: Ward) -> None:
    await ward.went()
    number = await dead_letter(ward)
    ward.employ()
    async with ward.forwarding():
        await ward.routed()
        assert await ward.turn({}, delete_forwarded=True) == Turn()
        buried = await find(ward.bus, number)
        assert buried is not None
        await replay(ward.bus, buried)
        await ward.done()
        assert await ward.turn({}, delete_forwarded=True) == Turn(studies=1)


async def test_a_study_whose_dead_letter_was_dropped_stays(ward: Ward) -> None:
    await ward.went()
    buried = await find(ward.bus, await dead_letter(ward))
    assert buried is not None
    await ward.note(Forwarded(is_lacking=True))
    await remove(ward.bus, buried)
    async with ward.forwarding():
        await ward.routed()
        assert await ward.turn({}, delete_forwarded=True) == Turn()
    assert await ward.is_there()


async def test_several_replicas_delete_a_study_once(ward: Ward) -> None:
    turns = await asyncio.gather(*(ward.turn(keep_days=1, later=2 * DAY) for _ in range(3)))
    assert sum(turn.studies for turn in turns) <= 1
    assert sum(turn.studies for turn in turns) == 1 or await ward.is_there()


async def test_replicas_take_turns_for_as_long_as_they_run(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.common.bus.turns.EVERY_SECONDS", 0.05)
    parts = Parts(ward.settings(keep_days=1e-9), ward.bus, ward.blobs)
    async with retention(parts), retention(parts):
        await until(ward.keys, lambda keys: not keys)


async def test_what_comes_while_a_study_is_about_to_go_is_kept(ward: Ward, tmp_path: Path) -> None:
    """Its sender got a success: the event is there, and only the list does not yet know of it."""
    (file,) = make_series(tmp_path, 1, study_uid=ward.study, seed=7)
    data = file.read_bytes()
    remover = Remover(ward.bus, ward.blobs)
    marked = await remover.mark(await States(ward.bus).get(ward.inbox, ward.study))
    assert marked is not None

    async def write(key: str) -> None:
        await ward.blobs.put(key, data)

    one = incoming(data, len(data), hashlib.sha256(data).hexdigest())
    await Deposits(ward.bus, ward.blobs, "http://127.0.0.1").deposit(inbox_of(ward.inbox), one, write)
    deleted = await remover.expire(marked)
    merged = await until(ward.record, lambda state: state.instances == (1 if deleted else 3))
    assert len(await ward.keys()) == merged.instances


async def test_a_study_that_got_something_since_it_was_marked_stays(ward: Ward) -> None:
    remover, states = Remover(ward.bus, ward.blobs), States(ward.bus)
    marked = await remover.mark(await states.get(ward.inbox, ward.study))
    assert marked is not None
    await states.put(marked.state, marked.revision)
    assert await remover.expire(marked) == 0
    assert await ward.is_there()
    assert await remover.mark(marked) is None


async def test_the_record_of_a_deleted_study_is_forgotten_when_it_is_old(ward: Ward) -> None:
    await ward.turn(keep_days=1, later=2 * DAY)
    assert (await ward.record()).life > 0
    await ward.went()
    assert await ward.turn(later=TOMBSTONE_SECONDS - 60.0) == Turn()
    assert (await ward.record()).life > 0
    forgotten = await ward.turn(later=TOMBSTONE_SECONDS + 60.0)
    assert forgotten.tombstones >= 1
    assert (await States(ward.bus).get(ward.inbox, ward.study)).revision == 0
    found = await ForwardedStudies(ward.bus).get(ward.inbox, ward.study, ward.destination)
    assert found == Forwarded()
