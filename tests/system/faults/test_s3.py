"""The store is away for 20 s in the middle of a retrieve and of a store: it hangs, or it died."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Final

import httpx2
import pytest

from tests.pacs import Slow
from tests.peers import eventually
from tests.system.faults.system import FaultySystem, Origin, frozen, kill
from tests.system.multipart import PAYLOAD, Answer, payload
from tests.system.problem import problem
from tests.waiting import PATIENCE

AWAY_SECONDS: Final = 20.0
START_SECONDS: Final = 4.0
"""What it takes to start, of the time that it is away."""


def hangs(system: FaultySystem) -> None:
    with frozen(system.only("s3")):
        time.sleep(AWAY_SECONDS)  # the fault itself


def dies(system: FaultySystem) -> None:
    died = system.only("s3")
    with system.restarting("s3"):
        kill(died)
        assert eventually(lambda: system.pids["s3"] not in ([], [died]))
        with frozen(system.only("s3")):
            time.sleep(AWAY_SECONDS - START_SECONDS)  # the fault itself


class Sender:
    """Stores a study by STOW-RS, and stops in the middle of the body until it is told to go on."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._halfway = Event()
        self._on = Event()

    def store(self) -> httpx2.Response:
        url = f"{self._origin.system.url}/aets/{self._origin.name}/studies"
        with httpx2.Client(timeout=PATIENCE, trust_env=False) as http:
            return http.post(url, content=self._body(), headers={"Content-Type": PAYLOAD})

    def wait_until_halfway(self) -> None:
        assert self._halfway.wait(PATIENCE)

    def go_on(self) -> None:
        self._on.set()

    def _body(self) -> Iterator[bytes]:
        body = payload(image.read_bytes() for image in self._origin.images)
        yield body[: len(body) // 2]
        self._halfway.set()
        assert self._on.wait(PATIENCE)
        yield body[len(body) // 2 :]


def is_stored(origin: Origin, response: httpx2.Response) -> bool:
    """Whether all of the study is, as the answer says."""
    assert response.status_code == 200, response.text
    assert Answer.from_response(response).stored.keys() == origin.held.keys()
    stored = origin.pacs.stored()
    return {uid: copies[-1] for uid, copies in stored.items()} == origin.held


@pytest.mark.parametrize("goes_away", [hangs, dies])
def test_nothing_is_lost_silently_while_the_store_is_away(
    system: FaultySystem, images: list[Path], goes_away: Callable[[FaultySystem], None]
) -> None:
    origin = system.origin(images, Slow(seconds=0.1))
    reader, sender = origin.client(), Sender(origin)
    with ThreadPoolExecutor(1) as threads:
        storing = threads.submit(sender.store)
        sender.wait_until_halfway()
        reader.wait_for(5)
        sender.go_on()
        goes_away(system)
        read, response = reader.answer(), storing.result()
    assert origin.is_whole(read) if read.whole else origin.is_broken(read)
    if response.status_code == 200:
        assert is_stored(origin, response)
    else:
        assert problem(response, 503)["type"] == "urn:isthmus:problem:store-unavailable"
    assert origin.is_whole(origin.retrieve())
    sender = Sender(origin)
    sender.go_on()
    assert is_stored(origin, sender.store())
