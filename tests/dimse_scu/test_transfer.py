"""What is asked for, again and again, until all has come that an origin lists."""

from collections.abc import Callable, Iterable, Sequence

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Origin, RetrieveMethod
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import AssociationAborted, OperationFailed, OriginError
from isthmus.common.messages import Retrieve
from isthmus.dimse_scu.ask import Ask
from isthmus.dimse_scu.delivery import Delivery
from isthmus.dimse_scu.listing import Listed
from isthmus.dimse_scu.transfer import Transfer

ORIGIN = Origin(name="pacs", ae_title="PACS", port=104, retrieve=(RetrieveMethod.C_GET,))
WANTED = Retrieve("pacs", "1.2")
LONG = "1." * 32


def listed(*uids: str, count: int = 1) -> list[Listed]:
    return [Listed("1.2.3", uid, "", "CT", count) for uid in uids]


class FakePull:
    """Answers each question as the test says."""

    def __init__(self, answer: Callable[[Ask], OriginError | None]) -> None:
        self._answer = answer
        self.asks: list[Ask] = []

    def associations(self, instances: Sequence[Listed]) -> Iterable[Sequence[Listed]]:
        yield instances

    async def __call__(self, ask: Ask) -> None:
        self.asks.append(ask)
        error = self._answer(ask)
        if error is not None:
            raise error

    def cancel(self) -> None:
        return


@pytest.fixture
async def delivery(bus: Bus, blobs: BlobStore) -> Delivery:
    return Delivery(bus, blobs, WANTED, "1-1")


async def test_of_several_instances_listed_under_one_cut_uid_each_must_come(delivery: Delivery) -> None:
    (cut,) = listed(LONG, count=3)

    def answer(_: Ask) -> None:
        delivery.received.update({f"{LONG}1", f"{LONG}2"})

    pull = FakePull(answer)
    transfer = Transfer(ORIGIN, {RetrieveMethod.C_GET: pull}, WANTED, {LONG: cut}, delivery)
    assert await transfer.run() is not None
    assert [missing.sop_instance_uid for missing in transfer.missing()] == [LONG]
    delivery.received.add(f"{LONG}3")
    assert transfer.missing() == []


async def test_an_uid_listed_whole_is_not_there_because_another_begins_like_it(delivery: Delivery) -> None:
    listing = {one.sop_instance_uid: one for one in listed(f"{LONG}1", f"{LONG}2")}
    delivery.received.add(f"{LONG}1")
    pulls = {RetrieveMethod.C_GET: FakePull(lambda _: None)}
    transfer = Transfer(ORIGIN, pulls, WANTED, listing, delivery)
    assert [missing.sop_instance_uid for missing in transfer.missing()] == [f"{LONG}2"]


async def test_what_cannot_be_sent_is_isolated_and_each_of_it_asked_for_a_few_times_only(
    delivery: Delivery,
) -> None:
    uids = [f"1.2.3.{number}" for number in range(64)]
    bad = {uids[0], uids[33]}

    def answer(ask: Ask) -> OriginError | None:
        for one in ask.instances:
            if one.sop_instance_uid in bad:
                return OperationFailed("stopped there", origin="pacs", status=0xC000)
            delivery.received.add(one.sop_instance_uid)
        return None

    pull = FakePull(answer)
    listing = {one.sop_instance_uid: one for one in listed(*uids)}
    transfer = Transfer(ORIGIN, {RetrieveMethod.C_GET: pull}, WANTED, listing, delivery)
    assert await transfer.run() is not None
    assert {missing.sop_instance_uid for missing in transfer.missing()} == bad
    assert len(pull.asks) < 30
    assert [ask.level for ask in pull.asks].count(Level.STUDY) == 1


async def test_an_origin_that_always_breaks_off_is_given_up(delivery: Delivery) -> None:
    pull = FakePull(lambda _: AssociationAborted("broke off", origin="pacs"))
    listing = {one.sop_instance_uid: one for one in listed(*(f"1.2.3.{n}" for n in range(100)))}
    transfer = Transfer(ORIGIN, {RetrieveMethod.C_GET: pull}, WANTED, listing, delivery)
    assert isinstance(await transfer.run(), AssociationAborted)
    assert len(pull.asks) == 3
