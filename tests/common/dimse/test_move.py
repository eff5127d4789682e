"""C-MOVE: the origin says how far it is, or nothing for long."""

import threading
from collections.abc import Callable, Iterator

import pytest
from pynetdicom import evt

from isthmus.common.dimse import MOVE, STUDY_ROOT_MOVE, Association, SubOperations
from isthmus.common.errors import OriginTimeout
from tests.common.dimse.acceptor import CT, VERIFICATION_CLASS, acceptor, on, peer, query
from tests.common.dimse.test_get import instance

Answers = Iterator[object]


def moving(port: int, pause: Callable[[], object]) -> Callable[[evt.Event], Answers]:
    def handle(_: evt.Event) -> Answers:
        yield "127.0.0.1", port
        yield 2
        yield 0xFF00, instance(1)
        pause()
        yield 0xFF00, instance(2)

    return handle


def test_an_unknown_destination_is_a_result() -> None:
    with acceptor(on(evt.EVT_C_MOVE, lambda _: iter([(None, None)])), classes=[STUDY_ROOT_MOVE, CT]) as pacs:
        association = Association.open(pacs, [MOVE])
        assert association.move(STUDY_ROOT_MOVE, query(), "NOWHERE").status == 0xA801
        association.release()


def test_an_origin_that_falls_silent() -> None:
    silence = threading.Event()
    with (
        acceptor(on(evt.EVT_C_STORE, lambda _: 0), classes=[CT]) as destination,
        acceptor(
            on(evt.EVT_C_MOVE, moving(destination.port, lambda: silence.wait(10))),
            classes=[STUDY_ROOT_MOVE, CT],
            timeout=1.0,
        ) as pacs,
    ):
        association = Association.open(pacs, [MOVE])
        with pytest.raises(OriginTimeout):
            association.move(STUDY_ROOT_MOVE, query(), "PACS")
        silence.set()


def test_an_origin_that_was_heard_elsewhere_is_not_silent() -> None:
    never = threading.Event()
    with (
        acceptor(on(evt.EVT_C_STORE, lambda _: 0), classes=[CT]) as destination,
        acceptor(
            on(evt.EVT_C_MOVE, moving(destination.port, lambda: never.wait(3))),
            classes=[STUDY_ROOT_MOVE, CT],
            timeout=2,
        ) as pacs,
    ):
        association = Association.open(pacs, [MOVE])
        over = threading.Event()

        def arrivals() -> None:
            while not over.wait(0.1):
                association.heard()

        listening = threading.Thread(target=arrivals)
        listening.start()
        assert association.move(STUDY_ROOT_MOVE, query(), "PACS").completed == 2
        over.set()
        listening.join()
        association.release()


def test_the_pending_responses_count() -> None:
    pending: list[SubOperations] = []
    with (
        acceptor(on(evt.EVT_C_STORE, lambda _: 0), classes=[CT, VERIFICATION_CLASS]) as destination,
        acceptor(
            on(evt.EVT_C_MOVE, moving(destination.port, lambda: None)), classes=[STUDY_ROOT_MOVE, CT]
        ) as pacs,
    ):
        association = Association.open(peer(pacs.port), [MOVE])
        result = association.move(STUDY_ROOT_MOVE, query(), "PACS", pending.append)
        association.release()
    assert (result.status, result.completed, result.failed) == (0, 2, 0)
    assert [(one.completed, one.remaining) for one in pending] == [(1, 1), (2, 0)]
