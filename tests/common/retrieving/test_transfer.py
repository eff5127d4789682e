"""What is asked for, again and again, until all has come that an origin lists."""

from collections.abc import Callable, Iterable, Sequence

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import RetrieveMethod
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import (
    AssociationAborted,
    AssociationRejected,
    CircuitOpen,
    NoAcceptedContext,
    OperationFailed,
    OriginError,
    OriginTimeout,
    OriginUnreachable,
)
from isthmus.common.messages import Retrieve
from isthmus.common.retrieving import patience
from isthmus.common.retrieving.ask import Ask
from isthmus.common.retrieving.delivery import Delivery
from isthmus.common.retrieving.listing import Listed
from isthmus.common.retrieving.transfer import Transfer
from isthmus.common.retrieving.wording import Wording

WANTED = Retrieve("pacs", "1.2")
LONG = "1." * 32
GET, MOVE = RetrieveMethod.C_GET, RetrieveMethod.C_MOVE

Answer = Callable[[Ask], OriginError | None]


def listed(*uids: str, count: int = 1) -> list[Listed]:
    return [Listed("1.2.3", uid, "", "CT", count) for uid in uids]


def numbered(count: int) -> list[Listed]:
    return listed(*(f"1.2.3.{number}" for number in range(count)))


class FakePull:
    """Answers each question as the test says."""

    def __init__(self, answer: Answer, method: RetrieveMethod = GET, *, last_resort: bool = False) -> None:
        self.method = method
        self.last_resort = last_resort
        self.wording = Wording()
        self.asks: list[Ask] = []
        self._answer = answer

    def asks_unlisted(self, _: str) -> bool:
        return True

    def associations(self, instances: Sequence[Listed]) -> Iterable[Sequence[Listed]]:
        yield instances

    async def __call__(self, ask: Ask, *, priority: int = 0) -> int:
        self.asks.append(ask)
        with self.wording.learning(ask):
            error = self._answer(ask)
            if error is not None:
                raise error
        return len(ask.instances)

    @property
    def sizes(self) -> list[int]:
        """How many instances each question was about."""
        return [len(ask.instances) for ask in self.asks]


@pytest.fixture
async def delivery(bus: Bus, blobs: BlobStore) -> Delivery:
    return Delivery(bus, blobs, WANTED, "1-1")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(patience, "LONGEST_PAUSE", 0.0)


@pytest.fixture
def deliver(delivery: Delivery) -> Answer:
    def all_of(ask: Ask) -> OriginError | None:
        delivery.received.update(one.sop_instance_uid for one in ask.instances)
        return None

    return all_of


def failing(status: int = 0xA702) -> OperationFailed:
    return OperationFailed("it failed", origin="pacs", status=status)


def transfer(
    delivery: Delivery, expected: list[Listed], *steps: FakePull, asked_whole: bool = True
) -> Transfer:
    series = {"1.2.3"} if asked_whole else set()
    return Transfer(steps, WANTED, expected, delivery, timeout=5, asked_whole=series)


async def test_of_several_instances_listed_under_one_cut_uid_each_must_come(delivery: Delivery) -> None:
    def answer(_: Ask) -> None:
        delivery.received.update({f"{LONG}1", f"{LONG}2"})

    one = transfer(delivery, listed(LONG, count=3), FakePull(answer))
    assert await one.run() is not None
    assert [missing.sop_instance_uid for missing in one.missing()] == [LONG]
    delivery.received.add(f"{LONG}3")
    assert one.missing() == []


async def test_what_is_listed_under_a_cut_uid_is_asked_for_with_its_series(
    delivery: Delivery, deliver: Answer
) -> None:
    pull = FakePull(deliver)
    await transfer(delivery, [*listed(LONG, count=3), *listed("1.2.3.1")], pull).run()
    assert pull.asks[0].level is Level.SERIES


async def test_an_uid_listed_whole_is_not_there_because_another_begins_like_it(delivery: Delivery) -> None:
    delivery.received.add(f"{LONG}1")
    one = transfer(delivery, listed(f"{LONG}1", f"{LONG}2"), FakePull(lambda _: None))
    assert [missing.sop_instance_uid for missing in one.missing()] == [f"{LONG}2"]


@pytest.mark.parametrize(
    "error",
    [
        OriginUnreachable("no connection", origin="pacs"),
        CircuitOpen("left alone", origin="pacs"),
    ],
)
async def test_an_origin_that_is_away_is_asked_once_and_by_no_other_method(
    delivery: Delivery, error: OriginError
) -> None:
    get, move = FakePull(lambda _: error), FakePull(lambda _: error, MOVE)
    assert await transfer(delivery, numbered(10), get, move).run() is error
    assert (len(get.asks), len(move.asks)) == (1, 0)


async def test_silence_gives_a_method_up_and_the_other_one_is_tried(
    delivery: Delivery, deliver: Answer
) -> None:
    get = FakePull(lambda _: OriginTimeout("silent", origin="pacs"))
    move, rare = FakePull(deliver, MOVE), FakePull(deliver, last_resort=True)
    assert await transfer(delivery, numbered(10), get, move, rare).run() is None
    assert (len(get.asks), len(move.asks), len(rare.asks)) == (1, 1, 0)


async def test_what_cannot_be_sent_is_isolated_and_each_of_it_asked_for_a_few_times_only(
    delivery: Delivery,
) -> None:
    expected = numbered(64)
    bad = {expected[0].sop_instance_uid, expected[33].sop_instance_uid}

    def stops_at_the_first_bad_one(ask: Ask) -> OriginError | None:
        for one in ask.instances:
            if one.sop_instance_uid in bad:
                return failing(0xC000)
            delivery.received.add(one.sop_instance_uid)
        return None

    pull = FakePull(stops_at_the_first_bad_one)
    one = transfer(delivery, expected, pull, asked_whole=False)
    assert await one.run() is not None
    assert {missing.sop_instance_uid for missing in one.missing()} == bad == set(one.refused)
    assert len(pull.asks) < 30
    assert [ask.level for ask in pull.asks].count(Level.SERIES) == 1


async def test_an_origin_that_fails_everything_is_asked_a_few_times_only(delivery: Delivery) -> None:
    pull = FakePull(lambda _: failing())
    one = transfer(delivery, numbered(200), pull)
    assert await one.run() is not None
    assert one.refused == {}  # it may be out of order as a whole
    assert len(pull.asks) < 2 * 8 + 6
    # The first three, and then one from the other end.
    alone = [ask.instances[0].sop_instance_uid for ask in pull.asks if len(ask.instances) == 1]
    assert alone == ["1.2.3.0", "1.2.3.1", "1.2.3.2", "1.2.3.199"]


async def test_three_bad_ones_in_a_row_do_not_give_the_good_ones_up(delivery: Delivery) -> None:
    expected = numbered(50)

    def only_the_later(ask: Ask) -> OriginError | None:
        uids = [one.sop_instance_uid for one in ask.instances]
        if any(int(uid.rpartition(".")[2]) < 5 for uid in uids):
            return failing()
        delivery.received.update(uids)
        return None

    one = transfer(delivery, expected, FakePull(only_the_later))
    await one.run()
    assert [missing.sop_instance_uid for missing in one.missing()] == [f"1.2.3.{n}" for n in range(5)]


async def test_an_origin_that_always_breaks_off_is_given_up(delivery: Delivery) -> None:
    pull = FakePull(lambda _: AssociationAborted("broke off", origin="pacs"))
    one = transfer(delivery, numbered(100), pull)
    assert isinstance(await one.run(), AssociationAborted)
    assert len(pull.asks) == 3
    assert one.refused == {}


async def test_a_rejected_association_says_nothing_of_what_was_asked(
    delivery: Delivery, deliver: Answer
) -> None:
    errors: list[OriginError] = [AssociationRejected("transient", origin="pacs")] * 4

    def answer(ask: Ask) -> OriginError | None:
        return errors.pop() if errors else deliver(ask)

    pull = FakePull(answer)
    assert await transfer(delivery, numbered(10), pull).run() is None
    assert pull.sizes == [10] * 5


async def test_nothing_is_tried_again_when_the_time_is_used_up(delivery: Delivery) -> None:
    pull = FakePull(lambda _: AssociationRejected("transient", origin="pacs"))
    one = Transfer([pull], WANTED, numbered(3), delivery, timeout=0)
    assert isinstance(await one.run(), AssociationRejected)
    assert len(pull.asks) == 1


async def test_what_was_not_sent_before_the_time_was_used_up_is_not_refused(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of them was asked for alone by then."""
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(patience, "LONGEST_PAUSE", 1.0)

    def only_the_last_two(ask: Ask) -> None:
        delivery.received.update({"1.2.3.4", "1.2.3.5"} if ask.level is Level.SERIES else ())

    pull = FakePull(only_the_last_two)
    one = Transfer([pull], WANTED, numbered(6), delivery, timeout=0.3)
    assert await one.run() is not None
    assert 1 in pull.sizes
    assert one.refused == {}


async def test_series_that_are_offline_do_not_give_the_others_up(delivery: Delivery) -> None:
    delivery._arrived["1.2.5.1"] = 1  # the origin does send something
    offline = [
        Listed(f"1.2.{series}", f"1.2.{series}.{n}", "", "CT") for series in (3, 4, 6) for n in range(6)
    ]
    online = [Listed("1.2.5", "1.2.5.2", "", "CT"), Listed("1.2.5", "1.2.5.3", "", "CT")]

    def answer(ask: Ask) -> None:
        delivery.received.update({one.sop_instance_uid for one in ask.instances if one in online})

    everything = [*offline[:12], *online, *offline[12:]]
    whole = {one.series_instance_uid for one in everything}
    pull = FakePull(answer)
    one = Transfer([pull], WANTED, everything, delivery, timeout=5, asked_whole=whole)
    await one.run()
    assert {listed.sop_instance_uid for listed in one.missing()} == {
        each.sop_instance_uid for each in offline
    }
    assert set(one.refused) == {each.sop_instance_uid for each in offline}


async def test_smaller_parts_need_the_same_contexts(delivery: Delivery) -> None:
    pull = FakePull(lambda _: NoAcceptedContext("none", origin="pacs"))
    assert await transfer(delivery, numbered(10), pull).run() is not None
    assert len(pull.asks) == 1


async def test_success_with_nothing_sent_is_asked_for_fewer_at_a_time(delivery: Delivery) -> None:
    def few(ask: Ask) -> None:
        if len(ask.instances) <= 3:
            delivery.received.update(one.sop_instance_uid for one in ask.instances)

    pull = FakePull(few)
    assert await transfer(delivery, numbered(12), pull).run() is None
    assert pull.sizes == [12, 6, 3, 3, 6, 3, 3]


async def test_the_next_method_is_asked_for_a_whole_series_that_did_not_come(
    delivery: Delivery, deliver: Answer
) -> None:
    get, move = FakePull(lambda _: failing(0x0122)), FakePull(deliver, MOVE)
    assert await transfer(delivery, numbered(10), get, move).run() is None
    assert [ask.level for ask in move.asks] == [Level.SERIES]


async def test_what_only_one_of_two_methods_refused_is_not_refused(delivery: Delivery) -> None:
    broken = AssociationAborted("broke off", origin="pacs")
    get, move = FakePull(lambda _: failing(0xC000)), FakePull(lambda _: broken, MOVE)
    one = transfer(delivery, numbered(1), get, move)
    await one.run()
    assert one.refused == {}


async def test_the_last_resorts_are_tried_a_few_times_each(delivery: Delivery) -> None:
    get = FakePull(lambda _: failing(0xC000))
    last = [FakePull(lambda _: failing(0xC000), last_resort=True) for _ in range(3)]
    one = transfer(delivery, numbered(40), get, *last)
    await one.run()
    assert [pull.sizes for pull in last] == [[40, 1, 1, 1, 1]] * 3


async def test_a_last_resort_brings_what_nothing_else_did(delivery: Delivery, deliver: Answer) -> None:
    get, last = FakePull(lambda _: failing(0xC000)), FakePull(deliver, last_resort=True)
    assert await transfer(delivery, numbered(40), get, last).run() is None
    assert last.sizes == [40]


async def test_what_a_last_resort_brings_is_not_refused(delivery: Delivery, deliver: Answer) -> None:
    get, last = FakePull(lambda _: failing(0xC000)), FakePull(deliver, last_resort=True)
    one = transfer(delivery, numbered(1), get, last)
    assert await one.run() is None
    assert one.refused == {}
