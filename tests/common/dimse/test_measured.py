"""What is measured of associations and operations: each ends once, also where it ends badly."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from io import BytesIO

import pytest
from pydicom.dataset import Dataset
from pynetdicom import evt

from isthmus.common.dimse import (
    FIND,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    VERIFICATION,
    Association,
    Context,
    Peer,
    ReceivedInstance,
    for_get,
)
from isthmus.common.dimse import exchange as exchange_module
from isthmus.common.errors import OperationFailed, OriginError
from isthmus.common.threads import Threads
from tests.common.dimse.acceptor import (
    CT,
    aborting,
    acceptor,
    listener,
    match,
    on,
    opened,
    peer,
    query,
    silent,
)
from tests.common.dimse.local_slots import LocalSlots
from tests.common.dimse.pooling import pool
from tests.common.dimse.test_get import instance
from tests.measured import measured, told, total
from tests.waiting import PATIENCE, until

DURATION = "isthmus_dimse_operation_duration_seconds_count"
SIZE = "isthmus_dimse_data_size_bytes_total"
REFUSED = "isthmus_associations_refused_total"
EXPLICIT = "1.2.840.10008.1.2.1"


def ended(origin: str, operation: str, role: str = "scu") -> list[dict[str, str]]:
    """Give how the operations of a kind ended."""
    labels = {"dicom_origin": origin, "dicom_operation": operation, "dicom_role": role}
    return [dict(one) for one in told(DURATION, **labels)]


def refuse(to: Peer, contexts: list[Context]) -> None:
    with pytest.raises(OriginError):
        Association.open(to, contexts)


def test_a_rejected_association_is_counted_with_its_reason() -> None:
    with acceptor() as to:
        refuse(replace(to, origin="rejecting", called_ae_title="OTHER"), [VERIFICATION])
    assert told(REFUSED, dicom_origin="rejecting") == [{"isthmus_reason": "rejected"}]


def test_an_association_in_which_nothing_is_accepted_is_counted() -> None:
    with acceptor() as to:
        refuse(replace(to, origin="useless"), [FIND])
    assert told(REFUSED, dicom_origin="useless") == [{"isthmus_reason": "no_context"}]


def test_an_origin_that_cannot_be_reached_is_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    refuse(replace(peer(port), origin="unreachable"), [VERIFICATION])
    assert told(REFUSED, dicom_origin="unreachable") == [{"isthmus_reason": "unreachable"}]


@pytest.mark.parametrize(
    ("behave", "reason"), [(silent, "timeout"), (lambda connection: connection.close(), "aborted")]
)
def test_a_request_that_comes_to_nothing_is_counted(
    behave: Callable[[socket.socket], None], reason: str
) -> None:
    with listener(behave) as to:
        refuse(replace(to, origin=f"no-answer-{reason}"), [VERIFICATION])
    assert told(REFUSED, dicom_origin=f"no-answer-{reason}") == [{"isthmus_reason": reason}]


def test_an_aborted_operation_has_no_status_and_is_an_error() -> None:
    with acceptor(on(evt.EVT_C_STORE, aborting), classes=[CT]) as to:
        association = Association.open(replace(to, origin="aborting"), [Context(CT, (EXPLICIT,))])
        with pytest.raises(OriginError):
            association.store(
                BytesIO(bytes(10)), sop_class_uid=CT, sop_instance_uid="1.2", transfer_syntax_uid=EXPLICIT
            )
    assert ended("aborting", "C-STORE") == [{"error_type": "AssociationAborted"}]


def test_a_search_is_told_with_its_final_status_alone() -> None:
    def handle(_: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        yield 0xFF00, match(1)
        yield 0xFF00, match(2)
        yield 0xA700, None

    with (
        acceptor(on(evt.EVT_C_FIND, handle), classes=[STUDY_ROOT_FIND]) as to,
        opened(replace(to, origin="failing"), [FIND]) as association,
        pytest.raises(OperationFailed),
    ):
        list(association.find(STUDY_ROOT_FIND, query()))
    assert ended("failing", "C-FIND") == [{"dicom_status": "0xA700"}]


def test_a_search_that_is_not_read_to_its_end_was_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "CANCEL_GRACE", PATIENCE)  # not of how soon an origin ends one

    def handle(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        for number in range(10_000):
            if event.is_cancelled:
                yield 0xFE00, None
                return
            yield 0xFF00, match(number)

    with (
        acceptor(on(evt.EVT_C_FIND, handle), classes=[STUDY_ROOT_FIND]) as to,
        opened(replace(to, origin="left"), [FIND]) as association,
    ):
        matches = association.find(STUDY_ROOT_FIND, query())
        next(matches)
        matches.close()
    assert ended("left", "C-FIND") == [{"dicom_status": "0xFE00"}]


def test_what_a_get_brings_is_measured_and_what_of_it_we_did_not_take() -> None:
    def sending(_: evt.Event) -> Iterator[object]:
        yield 2
        for number in range(2):
            yield 0xFF00, instance(number)

    sizes: list[int] = []

    def take(one: ReceivedInstance) -> int:
        sizes.append(one.data.size)
        return 0 if len(sizes) == 1 else 0xA700

    contexts = for_get([CT])[0]
    with (
        acceptor(on(evt.EVT_C_GET, sending), classes=[CT, STUDY_ROOT_GET]) as to,
        opened(replace(to, origin="getting"), contexts) as association,
    ):
        association.get(STUDY_ROOT_GET, query(), take)
    assert sorted(one["dicom_status"] for one in ended("getting", "C-STORE", "scp")) == ["0x0000", "0xA700"]
    (final,) = ended("getting", "C-GET")
    assert final == {"dicom_status": "0xB000"}
    way = {"dicom_operation": "C-STORE", "dicom_role": "scp", "network_io_direction": "receive"}
    assert measured(SIZE, dicom_origin="getting", **way) == sum(sizes)


@pytest.mark.parametrize("status", [0x0000, 0xB007, 0xA700])
def test_what_is_stored_is_measured_by_the_answer(status: int) -> None:
    origin = f"storing-{status:04x}"
    with (
        acceptor(on(evt.EVT_C_STORE, lambda _: status), classes=[CT]) as to,
        opened(replace(to, origin=origin), [Context(CT, (EXPLICIT,))]) as association,
    ):
        association.store(
            BytesIO(bytes(300_000)), sop_class_uid=CT, sop_instance_uid="1.2", transfer_syntax_uid=EXPLICIT
        )
    assert ended(origin, "C-STORE") == [{"dicom_status": f"0x{status:04X}"}]
    way = {"dicom_operation": "C-STORE", "dicom_role": "scu", "network_io_direction": "transmit"}
    assert measured(SIZE, dicom_origin=origin, **way) == 300_000


def test_what_was_never_sent_is_no_operation() -> None:
    with (
        acceptor(classes=[CT]) as to,
        opened(replace(to, origin="unsent"), [Context(CT, (EXPLICIT,))]) as association,
        pytest.raises(OperationFailed),
    ):
        association.store(
            BytesIO(b""),
            sop_class_uid=CT,
            sop_instance_uid="1.2",
            transfer_syntax_uid="1.2.840.10008.1.2.4.70",
        )
    assert ended("unsent", "C-STORE") == []


async def test_who_waits_for_an_association_is_counted_until_he_has_it_or_leaves(threads: Threads) -> None:
    def waiting() -> float | None:
        return measured("isthmus_associations_waiting", dicom_origin="waited-for")

    with acceptor() as to:
        async with pool(replace(to, origin="waited-for"), threads, LocalSlots(1)) as associations:
            assert waiting() == 0
            async with associations.lease([VERIFICATION]):
                patient = asyncio.create_task(associations.run([VERIFICATION], Association.echo))
                leaving = asyncio.create_task(associations.run([VERIFICATION], Association.echo))
                await until(lambda: asyncio.sleep(0, waiting()), lambda number: number == 2)
                leaving.cancel()
                with suppress(asyncio.CancelledError):
                    await leaving
                assert waiting() == 1
            await patient
            assert waiting() == 0


async def test_an_association_lasts_from_its_acceptance_to_its_end(threads: Threads) -> None:
    name, labels = "isthmus_association_duration_seconds", {"dicom_origin": "lasting"}
    with acceptor() as to:
        async with pool(replace(to, origin="lasting"), threads, 1) as associations:
            await associations.run([VERIFICATION], Association.echo)
            assert measured(f"{name}_count", **labels) is None
    assert measured(f"{name}_count", **labels) == 1
    assert 0 < (measured(f"{name}_sum", **labels) or 0) < 60
    assert total("isthmus_associations", **labels) == 0


async def test_an_association_that_was_broken_off_is_open_no_more(threads: Threads) -> None:
    with acceptor(on(evt.EVT_C_ECHO, aborting)) as to:
        async with pool(replace(to, origin="broken"), threads, 1) as associations:
            with pytest.raises(OriginError):
                await associations.run([VERIFICATION], Association.echo)
            open_now = {"dicom_origin": "broken"}
            await until(
                lambda: asyncio.sleep(0, measured("isthmus_associations", **open_now)),
                lambda number: number == 0,
            )
    assert measured("isthmus_association_duration_seconds_count", dicom_origin="broken") == 1
