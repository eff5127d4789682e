"""What scp measures: associations from acceptance to end, who is sent away, operations with their status."""

import asyncio
from collections.abc import Callable
from io import BytesIO

import pytest

from isthmus.common.dimse import VERIFICATION, Association, Context
from isthmus.common.errors import AssociationRejected, OriginError
from isthmus.common.service import Parts
from isthmus.scp.worker import Server, serving
from tests.measured import measured, told, total
from tests.scp.conftest import CT, EXPLICIT, INBOX, Sending, echo_at, peer, send, with_rules, with_scp
from tests.scp.test_listener import connected, request, rest
from tests.waiting import until

REFUSED = "isthmus_scp_associations_refused_total"
OPEN = "isthmus_scp_associations"
LASTED = "isthmus_scp_association_duration_seconds_count"
DURATION = "isthmus_dimse_operation_duration_seconds_count"


class Before:
    """What was there before: these have no origin, and other tests count too."""

    def __init__(self, *names: str, **labels: str) -> None:
        self._labels = labels
        self._were = {name: total(name, **labels) for name in names}

    def more(self, name: str) -> float:
        """How much came since."""
        return total(name, **self._labels) - self._were[name]


async def rejected(server: Server, called: str = INBOX) -> None:
    with pytest.raises(AssociationRejected):
        await asyncio.to_thread(Association.open, peer(server, called=called), [VERIFICATION])


async def test_who_calls_what_is_not_there_is_counted(server: Server) -> None:
    before = Before(REFUSED, isthmus_reason="called_ae_title")
    opened = Before(OPEN, LASTED)
    await rejected(server, "OTHER")
    assert before.more(REFUSED) == 1
    assert (opened.more(OPEN), opened.more(LASTED)) == (0, 0)


async def test_who_may_not_associate_is_counted(parts: Parts) -> None:
    before = Before(REFUSED, isthmus_reason="calling_ae_title")
    async with serving(with_rules(parts, {"ae_title": "CT1", "operations": ["store"]})) as server:
        await rejected(server)
    assert before.more(REFUSED) == 1


async def test_who_is_one_too_many_is_counted(parts: Parts) -> None:
    before = Before(REFUSED, isthmus_reason="limit")
    async with serving(with_scp(parts, max_associations=1)) as server:
        first = await asyncio.to_thread(Association.open, peer(server), [VERIFICATION])
        await rejected(server)
        await asyncio.to_thread(first.release)
    assert before.more(REFUSED) == 1


@pytest.mark.parametrize(
    ("sent", "reason"),
    [(b"GET / HTTP/1.1\r\n\r\n", "no_request"), (request(version=2), "version")],
    ids=["no DICOM", "another version"],
)
async def test_what_is_no_request_is_counted(server: Server, sent: bytes, reason: str) -> None:
    def run() -> None:
        with connected(server, sent) as connection:
            assert rest(connection)

    before = Before(REFUSED, isthmus_reason=reason)
    await asyncio.to_thread(run)
    assert before.more(REFUSED) == 1


async def test_who_says_nothing_is_counted_when_he_is_sent_away(parts: Parts) -> None:
    def run(server: Server) -> None:
        with connected(server) as connection:
            assert rest(connection) == b""

    before = Before(REFUSED, isthmus_reason="no_request")
    async with serving(with_scp(parts, negotiation_seconds=0.2)) as server:
        await asyncio.to_thread(run, server)
    assert before.more(REFUSED) == 1


@pytest.mark.parametrize("how", [Association.release, Association.abort], ids=["released", "aborted"])
async def test_an_association_is_open_until_it_ends_however_it_does(
    server: Server, how: Callable[[Association], None]
) -> None:
    before = Before(OPEN, LASTED)
    association = await asyncio.to_thread(Association.open, peer(server), [VERIFICATION])
    await until(lambda: asyncio.sleep(0, before.more(OPEN)), lambda number: number == 1)
    assert before.more(LASTED) == 0
    await asyncio.to_thread(how, association)
    await until(lambda: asyncio.sleep(0, before.more(LASTED)), lambda number: number == 1)
    assert before.more(OPEN) == 0


async def test_associations_that_a_stop_breaks_off_are_over(parts: Parts) -> None:
    before = Before(OPEN, LASTED)
    async with serving(parts) as server:
        association = await asyncio.to_thread(Association.open, peer(server), [VERIFICATION])
        await until(lambda: asyncio.sleep(0, before.more(OPEN)), lambda number: number == 1)
    assert (before.more(OPEN), before.more(LASTED)) == (0, 1)
    await asyncio.to_thread(association.abort)


async def test_each_operation_is_told_with_its_status(
    server: Server, origin_name: str, dataset: Callable[..., bytes]
) -> None:
    inbox = f"{origin_name}-in"
    whole = dataset()
    answers = await send(server, Sending(whole), Sending(whole, sop_instance_uid="1.2.9"), called=INBOX)
    assert [one.status for one in answers] == [0x0000, 0xA900]
    await asyncio.to_thread(echo_at, peer(server, called=INBOX))
    here = {"dicom_origin": inbox, "dicom_role": "scp"}
    stored = told(DURATION, **here, dicom_operation="C-STORE")
    assert sorted(one["dicom_status"] for one in stored) == ["0x0000", "0xA900"]
    assert told(DURATION, **here, dicom_operation="C-ECHO") == [{"dicom_status": "0x0000"}]
    way = {"dicom_operation": "C-STORE", "network_io_direction": "receive"}
    assert measured("isthmus_dimse_data_size_bytes_total", **here, **way) == 2 * len(whole)


async def test_who_calls_is_told_nowhere(server: Server, dataset: Callable[..., bytes]) -> None:
    association = await asyncio.to_thread(
        Association.open, peer(server, calling="A STRANGER"), [Context(CT, (EXPLICIT,))]
    )
    try:
        answered = await asyncio.to_thread(
            association.store,
            BytesIO(dataset()),
            sop_class_uid=CT,
            sop_instance_uid="1.2.3.4",
            transfer_syntax_uid=EXPLICIT,
        )
        assert answered.status == 0x0124
    except OriginError:
        pytest.fail("it was not answered")
    finally:
        await asyncio.to_thread(association.release)
    assert not [labels for labels in told(DURATION) if "A STRANGER" in labels.values()]
