"""C-GET where the client does not do its part."""

import asyncio
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_ECHO

from isthmus.common.dimse import VERIFICATION
from isthmus.scp.worker import Server
from tests.data_sets import identity
from tests.peers import Peer, eventually
from tests.scp.retrieving.client import STUDY_ROOT, wish
from tests.scp.retrieving.getter import Getter

ECHO_ID = 4242


def _to_the_end(responses: Iterable[object]) -> None:
    for _ in responses:
        pass


def request_echo(association: Association) -> None:
    """Send a C-ECHO, and wait for nothing."""
    request = C_ECHO()
    request.MessageID = ECHO_ID
    request.AffectedSOPClassUID = UID(VERIFICATION.abstract_syntax)
    (context,) = (
        one for one in association.accepted_contexts if one.abstract_syntax == VERIFICATION.abstract_syntax
    )
    association.dimse.send_msg(request, context.context_id or 0)


@pytest.fixture
def study(images: list[Path]) -> str:
    return identity(images[0]).study_instance_uid


async def test_who_answers_nothing_is_let_go(
    called: Peer, server: Server, study: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.scp.get.SILENCE_SECONDS", 2.0)
    getter, may_go_on = Getter(), threading.Event()

    def hang(_: int) -> int:
        may_go_on.wait(20)
        return 0

    getter.answer = hang
    association = await asyncio.to_thread(getter.associate, called)
    responses = association.send_c_get(wish("STUDY", StudyInstanceUID=study), f"{STUDY_ROOT}.3")
    getting = asyncio.create_task(asyncio.to_thread(_to_the_end, responses))
    assert await asyncio.to_thread(eventually, lambda: server.associations == 0, timeout_seconds=20)
    may_go_on.set()
    await getting
    assert len(getter.came) == 1


async def test_a_request_in_the_middle_keeps_its_turn(called: Peer, study: str, images: list[Path]) -> None:
    """What is no answer to a sub-operation is served when the C-GET is through (PS3.7 9.1.3)."""
    getter = Getter()
    association = await asyncio.to_thread(getter.associate, called)
    answered = threading.Event()

    def hear(event: evt.Event) -> None:
        command = event.message.command_set
        if command.get("MessageIDBeingRespondedTo") == ECHO_ID and command.Status == 0:
            answered.set()

    association.bind(evt.EVT_DIMSE_RECV, hear)

    def ask_for_more(number: int) -> int:
        if number == 2:
            request_echo(association)
        return 0

    getter.answer = ask_for_more
    responses = association.send_c_get(wish("STUDY", StudyInstanceUID=study), f"{STUDY_ROOT}.3")
    *_, (status, _) = await asyncio.to_thread(list, responses)
    assert status.Status == 0
    assert len(getter.came) == len(images)
    assert await asyncio.to_thread(answered.wait, 10)
    await asyncio.to_thread(association.release)
