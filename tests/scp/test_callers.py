"""Who may do what, and where that is written down."""

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest

from isthmus.common.auth import Kind, Policy, Principal, Right
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Inbox, Origin
from isthmus.common.config.access import Rule
from isthmus.common.config.arriving import Caller
from isthmus.common.config.origins import Protocol
from isthmus.common.dimse import VERIFICATION, Association
from isthmus.common.errors import AssociationRejected
from isthmus.common.service import Parts
from isthmus.scp.admission import CALLED_AE_TITLE, CALLING_AE_TITLE, Admission, Rejection
from isthmus.scp.callers import Address, Callers, Calling, principal_of
from isthmus.scp.everything import AllOrigins
from isthmus.scp.worker import Server, serving
from tests.scp.conftest import INBOX, PACS, Sending, echo_at, peer, send, with_rules, with_scp
from tests.scp.stream import audited
from tests.scp.wire import associate, read

Dataset = Callable[..., bytes]

ONE = Inbox(name="one", protocol=Protocol.INBOX, ae_title="ONE")
TWO = Inbox(name="two", protocol=Protocol.INBOX, ae_title="TWO")
ORIGIN = DimseOrigin(name="pacs", ae_title=PACS, port=104)
ORIGINS = (ONE, TWO, ORIGIN)
EVERYWHERE = AllOrigins(ae_title="ALL")
STORE_ONE: dict[str, object] = {"ae_title": "CT1", "operations": ["store"], "origins": ["one"]}


def calling(ae_title: str = "CT1", address: str = "10.1.2.3", certificate: str | None = None) -> Calling:
    return Calling(ae_title, "ONE", address, certificate)


def callers(*rules: dict[str, object], destination: Origin | None = None) -> Callers:
    policy = Policy([Rule.model_validate(rule) for rule in rules], [origin.name for origin in ORIGINS])
    return Callers(policy, ORIGINS, (), destination)


CT1 = principal_of(calling())


def test_who_calls_is_known_by_its_ae_title_and_its_certificate() -> None:
    assert Principal(Kind.AE_TITLE, "CT1", address="10.1.2.3", ae_title="CT1") == CT1
    certified = principal_of(calling("CT1 ", certificate="CN=ct1"))
    assert (certified.kind, certified.name, certified.ae_title) == (Kind.CERTIFICATE, "CN=ct1", "CT1")
    assert certified.certificate == "CN=ct1"


def test_without_rules_everyone_may_everything() -> None:
    for origin in (*ORIGINS, EVERYWHERE, None):
        assert callers().may_associate(CT1, origin)
        assert callers().may(CT1, Right.STORE, origin)


def test_a_caller_may_what_the_rules_say_where_they_say_it() -> None:
    ours = callers(STORE_ONE)
    assert ours.may_associate(CT1, ONE)
    assert ours.may_associate(CT1, None)
    assert ours.may(CT1, Right.STORE, ONE)
    assert not ours.may(CT1, Right.SEARCH, ONE)
    assert not ours.may(CT1, Right.STORE, TWO)
    assert not ours.may_associate(CT1, TWO)
    assert not ours.may_associate(principal_of(calling("CT2")), None)
    assert not ours.may(CT1, Right.STORE, None)  # with ourselves nobody may


def test_a_right_that_is_none_over_dimse_lets_nobody_in() -> None:
    ours = callers({"ae_title": "CT1", "operations": ["delete", "events", "admin"]})
    assert not ours.may_associate(CT1, ONE)
    assert not ours.may_associate(CT1, None)


def test_who_may_at_one_origin_may_call_all_of_them_as_one() -> None:
    ours = callers({"ae_title": "CT1", "operations": ["search", "retrieve"], "origins": ["pacs"]})
    assert ours.may(CT1, Right.SEARCH, EVERYWHERE)
    assert ours.may(CT1, Right.RETRIEVE, EVERYWHERE)
    assert not ours.may(CT1, Right.STORE, EVERYWHERE)
    assert list(ours.permits(CT1, Right.SEARCH)) == ["pacs"]


@pytest.mark.parametrize(("destination", "is_allowed"), [(ONE, True), (TWO, False)])
def test_what_is_stored_at_all_of_them_takes_a_right_where_it_goes(
    destination: Inbox, is_allowed: bool
) -> None:
    assert callers(STORE_ONE, destination=destination).may(CT1, Right.STORE, EVERYWHERE) == is_allowed


def test_who_is_known_until_a_time_may_nothing_after_it() -> None:
    ours = callers({"user": "alice", "operations": ["search"]})
    alice = Principal(Kind.USER, "alice", until=time.time() + 60)
    assert ours.may(alice, Right.SEARCH, ONE)
    assert not ours.may(replace(alice, until=time.time() - 1), Right.SEARCH, ONE)


@pytest.mark.parametrize(
    ("rule", "could"),
    [
        ({"user": "alice"}, True),
        ({"key": "ai", "ae_title": "CT1"}, True),
        ({"claims": {"groups": ["radiology"]}, "network": "10.1.0.0/16"}, True),
        ({"user": "alice", "network": "10.2.0.0/16"}, False),
        ({"user": "alice", "ae_title": "CT2"}, False),
        ({"user": "alice", "certificate": "CN=ct1"}, False),
        ({"ae_title": "CT2"}, False),
    ],
)
def test_whom_user_identity_could_let_in_is_heard(rule: dict[str, object], could: bool) -> None:
    ours = callers({"operations": ["search"], **rule})
    assert ours.may_become(CT1) == could
    admission = Admission("ISTHMUS", ORIGINS, ours)
    assert (admission.decide(calling()) is ONE) == could
    assert admission.confirm(CT1, ONE) == CALLING_AE_TITLE  # as long as it has not


def test_where_a_caller_takes_associations_itself() -> None:
    there = [Caller(ae_title="CT1", host="ct1", port=104), Caller(ae_title="CT2", host="ct2", port=105)]
    ours = Callers(Policy((), ()), ORIGINS, there)
    assert list(ours.addresses_of("CT1 ")) == [Address("ct1", 104)]
    assert list(ours.addresses_of("CT3")) == []


def test_the_origins_of_an_ae_title() -> None:
    ours = Callers(
        Policy((), ()),
        [
            DimseOrigin(name="one", ae_title=PACS, port=104),
            DimseOrigin(name="two", ae_title="OTHER", port=104),
            DimseOrigin(name="three", ae_title=PACS, port=105),
        ],
    )
    assert ours.origins_of("PACS  ") == ("one", "three")
    assert ours.origins_of("pacs") == ()


def called(ae_title: str) -> Calling:
    return Calling("CT1", ae_title, "10.1.2.3")


def test_the_called_ae_title_names_an_origin_all_of_them_or_ourselves() -> None:
    admission = Admission("ISTHMUS", [ORIGIN, ONE], callers(), "ALL")
    assert admission.decide(called(PACS)) is ORIGIN
    assert admission.decide(called("ONE")) is ONE
    assert admission.decide(called("ALL")) == EVERYWHERE
    assert admission.decide(called("ISTHMUS")) is None
    assert admission.decide(called("OTHER")) is CALLED_AE_TITLE


def test_all_origins_as_one_are_not_there_without_an_ae_title() -> None:
    assert Admission("ISTHMUS", [ORIGIN], callers()).decide(called("ALL")) is CALLED_AE_TITLE


def test_a_pacs_that_is_configured_twice_cannot_be_called() -> None:
    twin = DimseOrigin(name="twin", ae_title=PACS, port=105)
    admission = Admission("ISTHMUS", [ORIGIN, twin, ONE], callers())
    assert admission.decide(called(PACS)) is CALLED_AE_TITLE
    assert admission.decide(called("ONE")) is ONE


def test_an_inbox_in_the_place_of_a_pacs_is_the_one_that_is_called() -> None:
    inbox = Inbox(name="in", protocol=Protocol.INBOX, ae_title=PACS)
    assert Admission("ISTHMUS", [inbox, ORIGIN], callers()).decide(called(PACS)) is inbox


def test_an_origin_of_which_a_caller_may_know_nothing_is_as_if_it_were_not_there() -> None:
    admission = Admission("ISTHMUS", ORIGINS, callers(STORE_ONE))
    assert admission.decide(called("ONE")) is ONE
    assert admission.decide(called("TWO")) is CALLED_AE_TITLE
    assert admission.decide(called("OTHER")) is CALLED_AE_TITLE
    assert admission.decide(called("ISTHMUS")) is None


@pytest.mark.parametrize("title", ["ONE", "OTHER", "ISTHMUS"])
def test_who_may_nothing_hears_the_same_whatever_it_calls(title: str) -> None:
    admission = Admission("ISTHMUS", ORIGINS, callers(STORE_ONE))
    assert admission.decide(Calling("CT2", title, "10.1.2.3")) is CALLING_AE_TITLE


@pytest.mark.parametrize("calling_ae_title", ["CT2", PACS])
def test_who_is_nobody_yet_learns_no_more_where_a_credential_could_let_him_in(calling_ae_title: str) -> None:
    admission = Admission(
        "ISTHMUS", ORIGINS, callers(STORE_ONE, {"key": "ai", "operations": ["search"], "origins": ["two"]})
    )
    for title in ("ONE", "TWO", "OTHER"):
        decision = admission.decide(Calling(calling_ae_title, title, "10.1.2.3"))
        assert not isinstance(decision, Rejection)  # what he shows is looked at first, whatever he calls
        nobody = principal_of(Calling(calling_ae_title, title, "10.1.2.3"))
        assert admission.confirm(nobody, decision) is CALLING_AE_TITLE
        somebody = admission.confirm(replace(nobody, kind=Kind.KEY, name="ai"), decision)
        assert somebody is (None if title == "TWO" else CALLED_AE_TITLE)


@pytest.mark.parametrize("title", ["ONE", "OTHER"])
def test_who_calls_himself_as_an_origin_does_learns_not_what_there_is(title: str) -> None:
    admission = Admission("ISTHMUS", ORIGINS, callers(STORE_ONE))
    assert admission.decide(Calling(PACS, title, "10.1.2.3")) is CALLING_AE_TITLE


def test_an_origin_may_come_to_ourselves_whoever_the_rules_are_about() -> None:
    admission = Admission("ISTHMUS", ORIGINS, callers(STORE_ONE))
    assert admission.decide(Calling(PACS, "ISTHMUS", "10.1.2.3")) is None
    assert admission.decide(Calling(PACS, "ONE", "10.1.2.3")) is CALLING_AE_TITLE


@pytest.fixture
def caller() -> str:
    """An AE title that no other test uses."""
    return f"CT{uuid4().hex[:10].upper()}"


async def echo(server: Server, calling: str, called: str) -> None:
    await asyncio.to_thread(echo_at, peer(server, calling, called))


async def test_who_is_none_of_the_callers_is_rejected_and_that_is_recorded(
    parts: Parts, bus: Bus, caller: str
) -> None:
    async with serving(with_rules(parts, {"ae_title": "ANOTHER", "operations": ["store"]})) as server:
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
    rule: dict[str, object] = {"ae_title": caller, "network": "127.0.0.0/8", "operations": ["store"]}
    async with serving(with_rules(parts, rule)) as server:
        await echo(server, caller, INBOX)
        await echo(server, caller, "ISTHMUS")
    first, second = await audited(bus, "accepted", caller, least=2)
    assert (first.called_ae_title, second.called_ae_title) == (INBOX, "ISTHMUS")
    assert (first.action, first.reason) == ("association", "")


async def test_an_operation_that_is_not_the_callers_is_refused_and_recorded(
    parts: Parts, bus: Bus, blobs: BlobStore, inbox: Inbox, dataset: Dataset, caller: str
) -> None:
    async with serving(with_rules(parts, {"ae_title": caller, "operations": ["search"]})) as server:
        await echo(server, caller, INBOX)
        (result,) = await send(server, Sending(dataset()), calling=caller, called=INBOX)
    assert (result.status, result.error_comment) == (0x0124, "This caller may not store here")
    assert [blob.key async for blob in blobs.list(f"inbox/{inbox.name}/")] == []
    (record,) = await audited(bus, "refused", caller, least=1)
    assert (record.action, record.reason) == ("C-STORE", "Not among the caller's operations")


async def test_an_origin_that_is_not_the_callers_is_as_if_it_were_unknown(
    parts: Parts, inbox: Inbox, caller: str
) -> None:
    other = Inbox(name=f"{inbox.name}-b", protocol=Protocol.INBOX, ae_title="OTHERBOX")
    settings = parts.settings.model_copy(update={"origins": (inbox, other)})
    both = Parts(settings, parts.bus, parts.blobs)
    rule: dict[str, object] = {"ae_title": caller, "operations": ["store"], "origins": [inbox.name]}
    async with serving(with_rules(both, rule)) as server:
        await echo(server, caller, INBOX)
        await echo(server, caller, "ISTHMUS")
        for title in ("OTHERBOX", "ELSEWHERE"):
            with pytest.raises(AssociationRejected, match="Called AE title not recognised"):
                await echo(server, caller, title)


@pytest.mark.parametrize(
    ("host", "is_let_in"),
    [("127.0.0.1", True), ("localhost", True), ("10.1.2.3", False), ("nowhere.invalid", False)],
)
async def test_an_origin_may_send_to_ourselves_from_where_it_is(
    parts: Parts, dataset: Dataset, host: str, is_let_in: bool
) -> None:
    pacs = DimseOrigin(name=parts.settings.origins[0].name, ae_title=PACS, host=host, port=104)
    settings = parts.settings.model_copy(update={"origins": (pacs,)})
    rule: dict[str, object] = {"ae_title": "CT1", "operations": ["store"]}
    async with serving(with_rules(Parts(settings, parts.bus, parts.blobs), rule)) as server:
        if is_let_in:
            (result,) = await send(server, Sending(dataset()))
            assert (result.status, result.error_comment) == (
                0x0124,
                "Nobody asked for an instance of this study",
            )
        else:
            with pytest.raises(AssociationRejected, match="Calling AE title not recognised"):
                await send(server, Sending(dataset()))


async def test_who_may_associate_with_ourselves_may_store_nothing_there(
    parts: Parts, dataset: Dataset, caller: str
) -> None:
    async with serving(with_rules(parts, {"ae_title": caller, "operations": ["store"]})) as server:
        (result,) = await send(server, Sending(dataset()), calling=caller)
    assert (result.status, result.error_comment) == (0x0124, "This caller may not store here")
