"""C-FIND: every way in which it can end."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from pydicom.dataset import Dataset
from pynetdicom import evt

from isthmus.common.dimse import FIND, STUDY_ROOT_FIND, Association, FindResponse
from isthmus.common.dimse import exchange as exchange_module
from isthmus.common.errors import AssociationAborted, OperationFailed, OriginCancelled, OriginTimeout
from tests.common.dimse.acceptor import acceptor, match, on, query, status

Answers = Iterator[tuple[int | Dataset, Dataset | None]]


def uids(responses: Iterator[FindResponse]) -> list[bytes]:
    return [(response.data or b"")[-6:].strip(b"\0") for response in responses]


def endless(event: evt.Event, cancelled: threading.Event) -> Answers:
    """Send matches with pauses, in which alone a pynetdicom peer looks for a C-CANCEL."""
    pause = threading.Event()
    for number in range(10_000):
        pause.wait(0.002)
        if event.is_cancelled:
            cancelled.set()
            yield 0xFE00, None
            return
        yield 0xFF00, match(number)


def test_a_failure_after_matches_is_raised_with_its_status_and_without_its_comment() -> None:
    def handle(_: evt.Event) -> Answers:
        yield 0xFF00, match(1)
        yield status(0xA700, "Mueller^Hans has too many"), None

    with acceptor(on(evt.EVT_C_FIND, handle), classes=[STUDY_ROOT_FIND]) as pacs:
        association = Association.open(pacs, [FIND])
        responses = association.find(STUDY_ROOT_FIND, query())
        assert next(responses).status == 0xFF00
        with pytest.raises(OperationFailed, match="A700: Refused: out of resources") as caught:
            next(responses)
        assert caught.value.status == 0xA700
        assert caught.value.operation == "C-FIND"
        assert "Mueller" not in str(caught.value)
        assert association.alive
        association.release()


def test_an_origin_that_aborts() -> None:
    def handle(event: evt.Event) -> Answers:
        yield 0xFF00, match(1)
        event.assoc.abort()
        yield 0xFF00, match(2)

    with acceptor(on(evt.EVT_C_FIND, handle), classes=[STUDY_ROOT_FIND]) as pacs:
        association = Association.open(pacs, [FIND])
        with pytest.raises(AssociationAborted):
            list(association.find(STUDY_ROOT_FIND, query()))
        assert not association.alive
        assert association.idle


def test_an_origin_that_falls_silent() -> None:
    silence = threading.Event()

    def handle(_: evt.Event) -> Answers:
        yield 0xFF00, match(1)
        silence.wait(10)
        yield 0x0000, None

    with acceptor(on(evt.EVT_C_FIND, handle), classes=[STUDY_ROOT_FIND], timeout=1.0) as pacs:
        association = Association.open(pacs, [FIND])
        began = time.monotonic()
        with pytest.raises(OriginTimeout):
            list(association.find(STUDY_ROOT_FIND, query()))
        assert 0.5 <= time.monotonic() - began < 8
        assert not association.alive
        silence.set()


def test_an_origin_that_is_slow_but_not_silent() -> None:
    never = threading.Event()

    def handle(_: evt.Event) -> Answers:
        for number in range(9):
            never.wait(0.3)
            yield 0xFF00, match(number)
        yield 0x0000, None

    with acceptor(on(evt.EVT_C_FIND, handle), classes=[STUDY_ROOT_FIND], timeout=2.5) as pacs:
        association = Association.open(pacs, [FIND])
        assert len(list(association.find(STUDY_ROOT_FIND, query()))) == 9
        association.release()


def test_leaving_early_cancels_and_the_association_stays_good() -> None:
    cancelled = threading.Event()
    with acceptor(
        on(evt.EVT_C_FIND, lambda event: endless(event, cancelled)), classes=[STUDY_ROOT_FIND]
    ) as pacs:
        association = Association.open(pacs, [FIND])
        with closing(association.find(STUDY_ROOT_FIND, query())) as responses:
            next(responses)
            next(responses)
        assert cancelled.wait(20)
        assert association.alive
        assert association.idle
        with closing(association.find(STUDY_ROOT_FIND, query())) as responses:
            assert uids(iter([next(responses)])) == [b"1.2.0"]
        association.release()


def test_an_origin_that_ignores_a_cancel_is_aborted_after_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "CANCEL_GRACE", 0.3)
    aborted = threading.Event()

    def handle(event: evt.Event) -> Answers:
        number = 0
        while event.assoc.is_established:
            number += 1
            yield 0xFF00, match(number)

    with acceptor(
        on(evt.EVT_C_FIND, handle), (evt.EVT_ABORTED, lambda _: aborted.set()), classes=[STUDY_ROOT_FIND]
    ) as pacs:
        association = Association.open(pacs, [FIND])
        with closing(association.find(STUDY_ROOT_FIND, query())) as responses:
            next(responses)
        assert not association.alive
        assert aborted.wait(20)


def test_a_cancel_from_another_thread_is_raised_in_the_reader() -> None:
    cancelled = threading.Event()
    with acceptor(
        on(evt.EVT_C_FIND, lambda event: endless(event, cancelled)), classes=[STUDY_ROOT_FIND]
    ) as pacs:
        association = Association.open(pacs, [FIND])
        responses = association.find(STUDY_ROOT_FIND, query())
        next(responses)
        canceller = threading.Thread(target=association.cancel)
        canceller.start()
        with pytest.raises(OriginCancelled) as caught:
            list(responses)
        canceller.join()
        assert caught.value.status == 0xFE00
        assert association.alive
        association.release()


def test_an_interrupt_from_another_thread_ends_the_wait() -> None:
    waiting = threading.Event()

    def handle(event: evt.Event) -> Answers:
        waiting.wait(5)
        yield 0x0000, None

    with acceptor(on(evt.EVT_C_FIND, handle), classes=[STUDY_ROOT_FIND]) as pacs:
        association = Association.open(pacs, [FIND])
        timer = threading.Timer(0.1, association.interrupt)
        timer.start()
        with pytest.raises(AssociationAborted, match="by us"):
            list(association.find(STUDY_ROOT_FIND, query()))
        waiting.set()


def test_one_operation_at_a_time() -> None:
    cancelled = threading.Event()
    with acceptor(
        on(evt.EVT_C_FIND, lambda event: endless(event, cancelled)), classes=[STUDY_ROOT_FIND]
    ) as pacs:
        association = Association.open(pacs, [FIND])
        with closing(association.find(STUDY_ROOT_FIND, query())) as responses:
            next(responses)
            with pytest.raises(RuntimeError, match="one operation at a time"):
                association.echo()
        association.release()


def test_no_match() -> None:
    with acceptor(on(evt.EVT_C_FIND, lambda _: iter([(0x0000, None)])), classes=[STUDY_ROOT_FIND]) as pacs:
        association = Association.open(pacs, [FIND])
        assert list(association.find(STUDY_ROOT_FIND, query())) == []
        association.release()


def test_matches_come_in_the_origins_order_with_the_syntax_of_their_bytes() -> None:
    def handle(_: evt.Event) -> Answers:
        yield 0xFF00, match(3)
        yield 0xFF01, match(1)
        yield 0x0000, None

    with acceptor(on(evt.EVT_C_FIND, handle), classes=[STUDY_ROOT_FIND]) as pacs:
        association = Association.open(pacs, [FIND])
        responses = list(association.find(STUDY_ROOT_FIND, query()))
        assert [response.status for response in responses] == [0xFF00, 0xFF01]
        assert uids(iter(responses)) == [b"1.2.3", b"1.2.1"]
        assert {response.transfer_syntax_uid for response in responses} == {"1.2.840.10008.1.2.1"}
        association.release()


def test_an_over_long_uid_in_a_match_passes() -> None:
    def handle(_: evt.Event) -> Answers:
        found = match(1)
        found.StudyInstanceUID = "1." + "2" * 80
        yield 0xFF00, found

    with acceptor(on(evt.EVT_C_FIND, handle), classes=[STUDY_ROOT_FIND]) as pacs:
        association = Association.open(pacs, [FIND])
        (response,) = association.find(STUDY_ROOT_FIND, query())
        assert b"2" * 80 in (response.data or b"")
        association.release()
