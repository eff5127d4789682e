"""Who may do what, and where that is written down."""

import asyncio
import socket
from collections.abc import Callable
from uuid import uuid4

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Inbox
from isthmus.common.config.arriving import Caller, CallerOperation
from isthmus.common.config.origins import Protocol
from isthmus.common.dimse import VERIFICATION, Association
from isthmus.common.errors import AssociationRejected, OperationFailed
from isthmus.common.service import Parts
from isthmus.scp.admission import CALLED_AE_TITLE, CALLING_AE_TITLE, Admission, AllOrigins
from isthmus.scp.callers import Callers, Calling
from isthmus.scp.worker import Server, serving
from tests.scp.conftest import INBOX, PACS, Sending, peer, send, with_scp
from tests.scp.stream import audited
from tests.scp.wire import associate, read

Dataset = Callable[..., bytes]

STORE, ECHO, COMMIT = CallerOperation.STORE, CallerOperation.ECHO, CallerOperation.COMMIT
ONE = Inbox(name="one", protocol=Protocol.INBOX, ae_title="ONE")
TWO = Inbox(name="two", protocol=Protocol.INBOX, ae_title="TWO")
ORIGIN = DimseOrigin(name="pacs", ae_title=PACS, port=104)
EVERYWHERE = AllOrigins(ae_title="ALL")


def calling(ae_title: str = "CT1", address: str = "10.1.2.3") -> Calling:
    return Calling(ae_title, "ONE", address)


def test_without_callers_in_the_settings_everyone_may_everything() -> None:
    callers = Callers([])
    assert callers.may_associate(calling(), ONE)
    assert callers.may_associate(calling(), None)
    assert callers.may(calling(), STORE, ONE)


def test_of_others_than_the_configured_callers_nobody_may() -> None:
    callers = Callers([], [Caller(ae_title="CT1")])
    assert callers.may_associate(calling(), ONE)
    assert callers.may_associate(calling("CT1 "), ONE)
    assert not callers.may_associate(calling("CT2"), ONE)
    assert not callers.may_associate(calling("ct1"), ONE)
    assert not callers.may_associate(calling("CT2"), None)


@pytest.mark.parametrize(
    ("network", "address", "is_in"),
    [
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.0/24", "10.1.2.3", True),
        ("10.1.2.3/24", "10.1.2.99", True),
        ("10.1.3.0/24", "10.1.2.3", False),
        ("10.1.2.0/24", "::ffff:10.1.2.3", True),
        ("10.1.2.0/24", "2001:db8::1", False),
        ("2001:db8::/32", "2001:db8::1", True),
        ("fe80::/10", "fe80::1%eth0", True),
    ],
)
def test_a_caller_is_known_by_its_address(network: str, address: str, is_in: bool) -> None:
    callers = Callers([], [Caller(network=network)])
    assert callers.may_associate(calling(address=address), ONE) == is_in


def test_ae_title_and_address_have_to_be_right_both() -> None:
    callers = Callers([], [Caller(ae_title="CT1", network="10.1.2.0/24")])
    assert callers.may_associate(calling("CT1", "10.1.2.3"), ONE)
    assert not callers.may_associate(calling("CT1", "10.1.3.3"), ONE)
    assert not callers.may_associate(calling("CT2", "10.1.2.3"), ONE)


def test_a_caller_may_send_to_the_inboxes_that_are_its_own() -> None:
    callers = Callers([], [Caller(ae_title="CT1", inboxes=frozenset({"one"}))])
    assert callers.may_associate(calling(), ONE)
    assert not callers.may_associate(calling(), TWO)
    assert callers.may(calling(), ECHO, None)


def test_a_caller_may_call_the_origins_that_are_its_own() -> None:
    callers = Callers([], [Caller(ae_title="CT1", origins=frozenset({"pacs", "two"}))])
    assert callers.may_associate(calling(), ORIGIN)
    assert callers.may_associate(calling(), TWO)
    assert not callers.may_associate(calling(), ONE)
    assert not callers.may_associate(calling(), EVERYWHERE)
    assert callers.may(calling(), ECHO, None)


def test_who_has_inboxes_of_its_own_may_not_read_from_origins() -> None:
    callers = Callers([], [Caller(ae_title="CT1", inboxes=frozenset({"one"}))])
    assert not callers.may_associate(calling(), ORIGIN)


def test_inboxes_and_origins_add_up() -> None:
    caller = Caller(ae_title="CT1", inboxes=frozenset({"one"}), origins=frozenset({"pacs"}))
    callers = Callers([], [caller])
    assert callers.may_associate(calling(), ONE)
    assert callers.may_associate(calling(), ORIGIN)
    assert not callers.may_associate(calling(), TWO)


def test_who_may_call_all_origins_as_one_is_said_so() -> None:
    callers = Callers([], [Caller(ae_title="CT1", origins=frozenset({"all"}))])
    assert callers.may_associate(calling(), EVERYWHERE)
    assert not callers.may_associate(calling(), ORIGIN)


def test_of_several_rules_about_one_caller_one_is_enough() -> None:
    callers = Callers(
        [],
        [
            Caller(ae_title="CT1", inboxes=frozenset({"one"}), operations=frozenset({STORE})),
            Caller(network="10.0.0.0/8", operations=frozenset({ECHO})),
        ],
    )
    assert callers.may(calling(), STORE, ONE)
    assert callers.may(calling(), ECHO, ONE)
    assert not callers.may(calling(), COMMIT, ONE)
    assert not callers.may(calling(), STORE, TWO)


def test_an_origin_may_come_to_ourselves_whoever_the_callers_are() -> None:
    callers = Callers([ORIGIN], [Caller(ae_title="CT1")])
    assert callers.may_associate(calling(PACS), None)
    assert callers.may(calling(PACS), STORE, None)
    assert not callers.may_associate(calling(PACS), ONE)


def test_where_a_caller_takes_associations_itself() -> None:
    callers = Callers(
        [], [Caller(ae_title="CT1"), Caller(ae_title="CT1", host="ct1", port=104), Caller(ae_title="CT2")]
    )
    assert list(callers.addresses_of(calling(), ONE)) == [("ct1", 104)]
    assert list(callers.addresses_of(calling("CT2"), ONE)) == []


def test_the_origins_of_an_ae_title() -> None:
    callers = Callers(
        [
            DimseOrigin(name="one", ae_title=PACS, port=104),
            DimseOrigin(name="two", ae_title="OTHER", port=104),
            DimseOrigin(name="three", ae_title=PACS, port=105),
        ]
    )
    assert callers.origins_of("PACS  ") == ("one", "three")
    assert callers.origins_of("pacs") == ()


def called(ae_title: str) -> Calling:
    return Calling("CT1", ae_title, "10.1.2.3")


def test_the_called_ae_title_names_an_origin_all_of_them_or_ourselves() -> None:
    admission = Admission("ISTHMUS", [ORIGIN, ONE], Callers([]), "ALL")
    assert admission.decide(called(PACS)) is ORIGIN
    assert admission.decide(called("ONE")) is ONE
    assert admission.decide(called("ALL")) == EVERYWHERE
    assert admission.decide(called("ISTHMUS")) is None
    assert admission.decide(called("OTHER")) is CALLED_AE_TITLE


def test_all_origins_as_one_are_not_there_without_an_ae_title() -> None:
    assert Admission("ISTHMUS", [ORIGIN], Callers([])).decide(called("ALL")) is CALLED_AE_TITLE


def test_a_pacs_that_is_configured_twice_cannot_be_called() -> None:
    twin = DimseOrigin(name="twin", ae_title=PACS, port=105)
    admission = Admission("ISTHMUS", [ORIGIN, twin, ONE], Callers([]))
    assert admission.decide(called(PACS)) is CALLED_AE_TITLE
    assert admission.decide(called("ONE")) is ONE


def test_an_inbox_in_the_place_of_a_pacs_is_the_one_that_is_called() -> None:
    inbox = Inbox(name="in", protocol=Protocol.INBOX, ae_title=PACS)
    assert Admission("ISTHMUS", [inbox, ORIGIN], Callers([])).decide(called(PACS)) is inbox


def test_an_origin_that_is_not_the_callers_is_not_admitted_to() -> None:
    callers = Callers([], [Caller(ae_title="CT1", origins=frozenset({"one"}))])
    admission = Admission("ISTHMUS", [ORIGIN, ONE], callers)
    assert admission.decide(called(PACS)) is CALLING_AE_TITLE
    assert admission.decide(called("ONE")) is ONE


@pytest.fixture
def caller() -> str:
    """An AE title that no other test uses."""
    return f"CT{uuid4().hex[:10].upper()}"


async def echo(server: Server, calling: str, called: str) -> None:
    def run() -> None:
        association = Association.open(peer(server, calling, called), [VERIFICATION])
        try:
            association.echo()
        finally:
            association.release()

    await asyncio.to_thread(run)


async def test_who_is_none_of_the_callers_is_rejected_and_that_is_recorded(
    parts: Parts, bus: Bus, caller: str
) -> None:
    async with serving(with_scp(parts, callers=[{"ae_title": "ANOTHER"}])) as server:
        with pytest.raises(AssociationRejected, match="Calling AE title not recognised"):
            await echo(server, caller, INBOX)
    (record,) = await audited(bus, "refused", caller, least=1)
    assert (record.service, record.action, record.outcome) == ("scp", "association", "refused")
    assert record.reason == "Calling AE title not recognized"
    assert (record.calling_ae_title, record.called_ae_title, record.address) == (caller, INBOX, "127.0.0.1")


async def test_who_calls_somebody_else_is_rejected_and_that_is_recorded(
    server: Server, bus: Bus, caller: str
) -> None:
    with pytest.raises(AssociationRejected, match="Called AE title not recognised"):
        await echo(server, caller, "ELSEWHERE")
    (record,) = await audited(bus, "refused", caller, least=1)
    assert record.reason == "Called AE title not recognized"


async def test_so_are_a_version_that_is_not_known_and_one_too_many(
    parts: Parts, bus: Bus, caller: str
) -> None:
    def another_version() -> bytes:
        sent = bytearray(associate(INBOX, calling=caller))
        sent[7] = 2
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(sent)
            return read(connection)[-3:]

    async with serving(with_scp(parts, max_associations=1)) as server:
        assert await asyncio.to_thread(another_version) == b"\x01\x02\x02"
        there = await asyncio.to_thread(Association.open, peer(server, called=INBOX), [VERIFICATION])
        with pytest.raises(AssociationRejected, match="Local limit exceeded"):
            await echo(server, caller, INBOX)
        await asyncio.to_thread(there.release)
    records = await audited(bus, "refused", caller, least=2)
    assert [one.reason for one in records] == ["Protocol version not supported", "Local limit exceeded"]


async def test_who_is_accepted_is_recorded_too(parts: Parts, bus: Bus, caller: str) -> None:
    async with serving(with_scp(parts, callers=[{"ae_title": caller, "network": "127.0.0.0/8"}])) as server:
        await echo(server, caller, INBOX)
        await echo(server, caller, "ISTHMUS")
    first, second = await audited(bus, "accepted", caller, least=2)
    assert (first.called_ae_title, second.called_ae_title) == (INBOX, "ISTHMUS")
    assert (first.action, first.reason) == ("association", "")


async def test_an_operation_that_is_not_the_callers_is_refused_and_recorded(
    parts: Parts, bus: Bus, blobs: BlobStore, inbox: Inbox, dataset: Dataset, caller: str
) -> None:
    callers = [{"ae_title": caller, "operations": ["echo"]}]
    async with serving(with_scp(parts, callers=callers)) as server:
        await echo(server, caller, INBOX)
        (result,) = await send(server, Sending(dataset()), calling=caller, called=INBOX)
    assert (result.status, result.error_comment) == (0x0124, "This caller may not store here")
    assert [blob.key async for blob in blobs.list(f"inbox/{inbox.name}/")] == []
    (record,) = await audited(bus, "refused", caller, least=1)
    assert (record.action, record.reason) == ("C-STORE", "Not among the caller's operations")


async def test_an_echo_that_is_not_the_callers_is_refused(parts: Parts, caller: str) -> None:
    async with serving(with_scp(parts, callers=[{"ae_title": caller, "operations": ["store"]}])) as server:
        with pytest.raises(OperationFailed) as caught:
            await echo(server, caller, INBOX)
    assert caught.value.status == 0x0124


async def test_an_inbox_that_is_not_the_callers_is_as_if_it_were_unknown_there(
    parts: Parts, inbox: Inbox, caller: str
) -> None:
    other = Inbox(name=f"{inbox.name}-b", protocol=Protocol.INBOX, ae_title="OTHERBOX")
    settings = parts.settings.model_copy(update={"origins": (inbox, other)})
    callers = [{"ae_title": caller, "inboxes": [inbox.name]}]
    async with serving(with_scp(Parts(settings, parts.bus, parts.blobs), callers=callers)) as server:
        await echo(server, caller, INBOX)
        with pytest.raises(AssociationRejected):
            await echo(server, caller, "OTHERBOX")
