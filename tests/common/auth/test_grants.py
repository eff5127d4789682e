"""What a face says of who asks, and what a worker makes of it."""

import base64
import time

import pytest

from isthmus.common.auth import Grants, Kind, Principal, Right, StudyLink, acting_as, current_principal
from isthmus.common.auth.grants import HEADER, TOLERANCE_SECONDS
from isthmus.common.errors import Forbidden
from tests import planted

KEY = planted.secret("signing")
FACE = Grants(KEY, "qido")
WORKER = Grants(KEY, "dimse-scu")
ALICE = Principal(
    Kind.USER, "alice", {"groups": ("a", "b")}, "10.1.0.7", until=5.0, link=StudyLink("pacs", "1.2")
)
MESSAGE = b"a query"


def header(grants: Grants = FACE, right: Right = Right.SEARCH, origin: str = "pacs") -> str:
    return grants.header(right, origin, MESSAGE)[HEADER]


def test_a_worker_hears_on_whose_behalf_a_face_asks() -> None:
    with acting_as(ALICE):
        granted = WORKER.verify(header(), "pacs", MESSAGE)
    assert granted is not None
    assert (granted.principal, granted.right, granted.service) == (ALICE, Right.SEARCH, "qido")
    assert current_principal() is None


def test_on_nobodys_behalf_the_service_asks_itself() -> None:
    granted = WORKER.verify(header(), "pacs", MESSAGE)
    assert granted is not None
    assert granted.principal == Principal(Kind.SERVICE, "qido")


def test_without_a_key_nothing_is_said_and_nothing_asked_for() -> None:
    silent = Grants(None, "qido")
    assert silent.header(Right.SEARCH, "pacs", MESSAGE) == {}
    assert silent.verify(None, "pacs", MESSAGE) is None


@pytest.mark.parametrize(("origin", "message"), [("cloud", MESSAGE), ("pacs", b"other")])
def test_a_grant_is_good_for_one_message_alone(origin: str, message: bytes) -> None:
    with pytest.raises(Forbidden):
        WORKER.verify(header(), origin, message)


def test_a_grant_for_an_answer_is_good_for_that_one_alone() -> None:
    given = FACE.header(Right.SEARCH, "pacs", MESSAGE, "_INBOX.1")[HEADER]
    assert WORKER.verify(given, "pacs", MESSAGE, reply="_INBOX.1") is not None
    for reply in ("_INBOX.2", ""):
        with pytest.raises(Forbidden):
            WORKER.verify(given, "pacs", MESSAGE, reply=reply)
    assert WORKER.verify(header(), "pacs", MESSAGE, reply="_INBOX.1") is not None


@pytest.mark.parametrize("wrong", [None, "", "%", "AAAA", base64.b64encode(bytes(64)).decode(), "é"])
def test_what_is_no_grant_is_refused(wrong: str | None) -> None:
    with pytest.raises(Forbidden):
        WORKER.verify(wrong, "pacs", MESSAGE)


def test_a_grant_by_another_key_is_refused() -> None:
    with pytest.raises(Forbidden):
        WORKER.verify(header(Grants("x" * 32, "qido")), "pacs", MESSAGE)


def test_no_bit_of_a_grant_can_be_changed() -> None:
    content = bytearray(base64.b64decode(header()))
    for at in range(0, len(content), 7):
        changed = bytearray(content)
        changed[at] ^= 1
        with pytest.raises(Forbidden):
            WORKER.verify(base64.b64encode(changed).decode(), "pacs", MESSAGE)


def test_a_grant_is_good_for_a_while_after_which_only_what_waited_may_come() -> None:
    given = header()
    later = time.time() + 2 * TOLERANCE_SECONDS
    with pytest.raises(Forbidden):
        WORKER.verify(given, "pacs", MESSAGE, sent_at=later)
    WORKER.verify(given, "pacs", MESSAGE, sent_at=time.time() - TOLERANCE_SECONDS / 2)
