"""C-GET: raw bytes in, counters out, and every way in which it can end."""

import threading
from collections.abc import Callable, Iterator

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import evt

from isthmus.common.dimse import (
    FIND,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    Association,
    Peer,
    ReceivedInstance,
    SubOperations,
    for_get,
)
from isthmus.common.dimse import exchange as exchange_module
from isthmus.common.errors import AssociationAborted, NoAcceptedContext, OriginCancelled, OriginTimeout
from tests.common.dimse.acceptor import CT, acceptor, match, on, query, status

Answers = Iterator[object]
(CONTEXTS,) = for_get([CT])


def instance(number: int) -> Dataset:
    dataset = match(1)
    dataset.SOPClassUID = CT
    dataset.SOPInstanceUID = f"1.2.3.{number}"
    dataset.ensure_file_meta()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def stored(received: list[str]) -> Callable[[ReceivedInstance], int]:
    def take(one: ReceivedInstance) -> int:
        received.append(one.sop_instance_uid)
        return 0

    return take


def sending(count: int) -> Callable[[evt.Event], Answers]:
    def handle(event: evt.Event) -> Answers:
        yield count
        for number in range(count):
            if event.is_cancelled:
                yield 0xFE00, None
                return
            yield 0xFF00, instance(number)

    return handle


def got(pacs: Peer, take: Callable[[ReceivedInstance], int]) -> SubOperations:
    association = Association.open(pacs, CONTEXTS)
    result = association.get(STUDY_ROOT_GET, query(), take)
    association.release()
    return result


def test_no_context_for_the_information_model() -> None:
    with acceptor(classes=[CT]) as pacs:
        association = Association.open(pacs, CONTEXTS)
        with pytest.raises(NoAcceptedContext):
            association.get(STUDY_ROOT_GET, query(), stored([]))
        association.release()


def test_an_origin_that_falls_silent() -> None:
    silence = threading.Event()

    def handle(_: evt.Event) -> Answers:
        yield 2
        yield 0xFF00, instance(1)
        silence.wait(10)
        yield 0xFF00, instance(2)

    received: list[str] = []
    with acceptor(on(evt.EVT_C_GET, handle), classes=[STUDY_ROOT_GET, CT], timeout=1.0) as pacs:
        with pytest.raises(OriginTimeout):
            got(pacs, stored(received))
        silence.set()
    assert received == ["1.2.3.1"]


def test_an_origin_that_aborts() -> None:
    def handle(event: evt.Event) -> Answers:
        yield 2
        yield 0xFF00, instance(1)
        event.assoc.abort()
        yield 0xFF00, instance(2)

    received: list[str] = []
    with (
        acceptor(on(evt.EVT_C_GET, handle), classes=[STUDY_ROOT_GET, CT]) as pacs,
        pytest.raises(AssociationAborted),
    ):
        got(pacs, stored(received))
    assert received == ["1.2.3.1"]


def test_a_status_that_is_a_failure_is_a_result() -> None:
    def handle(_: evt.Event) -> Answers:
        yield 1
        yield status(0xA702, "no memory"), None

    with acceptor(on(evt.EVT_C_GET, handle), classes=[STUDY_ROOT_GET, CT]) as pacs:
        result = got(pacs, stored([]))
    assert result.status == 0xA702
    assert result.error_comment == "no memory"


def test_our_status_goes_back_and_the_failed_uids_come_with_the_result() -> None:
    with acceptor(on(evt.EVT_C_GET, sending(3)), classes=[STUDY_ROOT_GET, CT]) as pacs:
        result = got(pacs, lambda one: 0xA700 if one.sop_instance_uid.endswith("1") else 0)
    assert (result.status, result.completed, result.failed, result.warning) == (0xB000, 2, 1, 0)
    assert result.failed_sop_instance_uids == ("1.2.3.1",)


def test_what_the_callback_raises_aborts_and_is_raised() -> None:
    def full(_: ReceivedInstance) -> int:
        raise MemoryError

    with acceptor(on(evt.EVT_C_GET, sending(3)), classes=[STUDY_ROOT_GET, CT]) as pacs:
        association = Association.open(pacs, CONTEXTS)
        with pytest.raises(MemoryError):
            association.get(STUDY_ROOT_GET, query(), full)
        assert not association.alive
        assert association.idle


def test_cancel_from_another_thread() -> None:
    received: list[str] = []
    with acceptor(on(evt.EVT_C_GET, sending(2000)), classes=[STUDY_ROOT_GET, CT]) as pacs:
        association = Association.open(pacs, CONTEXTS)

        def take(one: ReceivedInstance) -> int:
            received.append(one.sop_instance_uid)
            if len(received) == 3:
                canceller = threading.Thread(target=association.cancel)
                canceller.start()
                canceller.join()
            return 0

        with pytest.raises(OriginCancelled):
            association.get(STUDY_ROOT_GET, query(), take)
        assert 3 <= len(received) < 2000
        assert association.alive
        association.release()


def test_an_origin_that_ignores_a_cancel_is_aborted_after_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "CANCEL_GRACE", 0.3)

    def handle(event: evt.Event) -> Answers:
        yield 10_000
        for number in range(10_000):
            if not event.assoc.is_established:
                return
            yield 0xFF00, instance(number)

    with acceptor(on(evt.EVT_C_GET, handle), classes=[STUDY_ROOT_GET, CT]) as pacs:
        association = Association.open(pacs, CONTEXTS)

        def take(_: ReceivedInstance) -> int:
            association.cancel()
            return 0

        with pytest.raises(OriginCancelled):
            association.get(STUDY_ROOT_GET, query(), take)
        assert not association.alive


def test_a_cancel_when_nothing_runs_does_nothing() -> None:
    received: list[str] = []
    with acceptor(on(evt.EVT_C_GET, sending(2)), classes=[STUDY_ROOT_GET, CT]) as pacs:
        association = Association.open(pacs, CONTEXTS)
        association.cancel()
        assert association.get(STUDY_ROOT_GET, query(), stored(received)).status == 0
        association.cancel()
        association.release()
    assert len(received) == 2


def test_the_bytes_outlive_the_operation() -> None:
    views: list[ReceivedInstance] = []

    def take(one: ReceivedInstance) -> int:
        views.append(one)
        return 0

    with acceptor(on(evt.EVT_C_GET, sending(2)), classes=[STUDY_ROOT_GET, CT]) as pacs:
        assert got(pacs, take).status == 0
    assert [f"1.2.3.{number}".encode() in bytes(one.data.head()) for number, one in enumerate(views)] == [
        True,
        True,
    ]
    assert [one.data.in_memory for one in views] == [one.data.size for one in views]
    assert views[0].transfer_syntax_uid == ExplicitVRLittleEndian
    assert views[0].sop_class_uid == CT


def test_an_association_may_search_and_get() -> None:
    with acceptor(
        on(evt.EVT_C_GET, sending(1)),
        on(evt.EVT_C_FIND, lambda _: iter([(0xFF00, match(1))])),
        classes=[STUDY_ROOT_GET, STUDY_ROOT_FIND, CT],
    ) as pacs:
        association = Association.open(pacs, [FIND, *CONTEXTS])
        assert len(list(association.find(STUDY_ROOT_FIND, query()))) == 1
        assert association.get(STUDY_ROOT_GET, query(), stored([])).completed == 1
        association.release()
