"""The store is full: nothing more can be kept, and that is what everybody is told."""

import secrets
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final

import httpx2
import pytest
from minio.error import S3Error

from tests.pacs import Kind
from tests.system.faults.small_store import LIMITS, few_megabytes
from tests.system.faults.system import MOVING, FaultySystem, Origin, kill
from tests.system.problem import problem

BALLAST_BYTES: Final = 256 * 1024
OUT_OF_RESOURCES: Final = 0xA700
REFUSED_WITHIN: Final = 40.0
"""What S3 refuses is tried again for 30 s."""


class Store:
    """The blob store of a running system."""

    def __init__(self, system: FaultySystem) -> None:
        self._system = system
        self._folder: Final = system.data / "s3"

    def shrink(self) -> None:
        """Leave some megabytes of room in it."""
        self._limit(few_megabytes(self._folder))

    def make_room(self) -> None:
        """Give it all the room again."""
        self._limit("")

    def _limit(self, options: str) -> None:
        (self._folder / LIMITS).write_text(options)  # read when it starts
        with self._system.restarting("s3"):
            kill(self._system.only("s3"))

    def fill(self) -> None:
        """Put something into it until it takes no more."""
        while self.has_room():
            pass

    def has_room(self) -> bool:
        bucket, name = self._system.run_file.s3.bucket, f"ballast/{secrets.token_hex(8)}"
        ballast = BytesIO(secrets.token_bytes(BALLAST_BYTES))
        try:
            self._system.s3().put_object(bucket, name, ballast, BALLAST_BYTES)
        except S3Error:
            return False
        return True


@pytest.fixture(scope="module")
def store(system: FaultySystem) -> Iterator[Store]:
    """It holds some megabytes more, until it is given room."""
    store = Store(system)
    store.shrink()
    yield store
    if not store.has_room():
        store.make_room()


@pytest.fixture(scope="module")
def got(system: FaultySystem, images: list[Path]) -> Origin:
    """An origin that is asked by C-GET."""
    return system.origin(images)


@pytest.fixture(scope="module")
def moved(system: FaultySystem, images: list[Path]) -> Origin:
    """An origin that sends to our scp."""
    return system.origin(images[:1], name=MOVING)


def test_what_does_not_fit_is_no_short_body_and_is_not_taken(
    system: FaultySystem, store: Store, got: Origin, moved: Origin
) -> None:
    seen = len(system.stderr)
    store.fill()
    asked = [origin.client() for origin in (got, moved)]
    refused = moved.pacs.wait_for(lambda event: event.kind is Kind.SENT, timeout_seconds=REFUSED_WITHIN)
    assert refused.status == OUT_OF_RESOURCES
    answer, other = (client.answer() for client in asked)
    response = httpx2.Response(answer.status, headers=answer.headers, content=answer.body)
    assert problem(response, 503)["type"] == "urn:isthmus:problem:store-unavailable"
    # scp tries longer than this origin is given for an answer.
    assert other.status in {503, 504}
    system.wait_for_log("s3", "No writable volumes", seen=seen)
    system.wait_for_log("retrieve failed", got.name, "blob store", seen=seen)


def test_the_next_request_has_all_when_there_is_room(store: Store, got: Origin, moved: Origin) -> None:
    store.fill()
    store.make_room()
    assert got.is_whole(got.retrieve())
    assert moved.is_whole(moved.retrieve())
