"""The store is full: nothing more can be kept, and that is what everybody is told."""

import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import ClassVar, Final

import httpx2
import pytest
from minio.error import S3Error

from tests.pacs import Kind
from tests.system.faults.small_store import LIMITS
from tests.system.faults.system import MOVING, FaultySystem, Origin, kill
from tests.system.problem import problem

ROOT: Final = Path(__file__).parents[3]
BALLAST_BYTES: Final = 256 * 1024
OUT_OF_RESOURCES: Final = 0xA700
REFUSED_WITHIN: Final = 40.0
"""What S3 refuses is tried again for 30 s."""


class SmallSystem(FaultySystem):
    """A system whose store holds some megabytes."""

    COMMAND: ClassVar[Sequence[str]] = (sys.executable, "-m", "tests.system.faults.small_store")

    def _variables(self) -> Mapping[str, str]:
        return {**super()._variables(), "PYTHONPATH": str(ROOT)}

    def fill(self) -> None:
        """Put something into the store until it takes no more."""
        while self.has_room():
            pass

    def has_room(self) -> bool:
        bucket, name = self.run_file.s3.bucket, f"ballast/{secrets.token_hex(8)}"
        try:
            self.s3().put_object(bucket, name, BytesIO(secrets.token_bytes(BALLAST_BYTES)), BALLAST_BYTES)
        except S3Error:
            return False
        return True

    def make_room(self) -> None:
        """Give the store more room than it needs: it has to start again for that."""
        (self.data / "s3" / LIMITS).write_text("")
        with self.restarting("s3"):
            kill(self.only("s3"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallSystem]:
    with SmallSystem(tmp_path_factory.mktemp("full")) as system:
        try:
            yield system
            system.check_nothing_is_left()
        finally:
            system.end_pacs()


@pytest.fixture(scope="module")
def got(small: SmallSystem, images: list[Path]) -> Origin:
    """An origin that is asked by C-GET."""
    return small.origin(images)


@pytest.fixture(scope="module")
def moved(small: SmallSystem, images: list[Path]) -> Origin:
    """An origin that sends to our scp."""
    return small.origin(images[:1], name=MOVING)


def test_what_does_not_fit_is_no_short_body_and_is_not_taken(
    small: SmallSystem, got: Origin, moved: Origin
) -> None:
    small.fill()
    seen = len(small.stderr)
    asked = [origin.client() for origin in (got, moved)]
    refused = moved.pacs.wait_for(lambda event: event.kind is Kind.SENT, timeout_seconds=REFUSED_WITHIN)
    assert refused.status == OUT_OF_RESOURCES
    answer, other = (client.answer() for client in asked)
    response = httpx2.Response(answer.status, headers=answer.headers, content=answer.body)
    assert problem(response, 503)["type"] == "urn:isthmus:problem:store-unavailable"
    # scp tries longer than this origin is given for an answer.
    assert other.status in {503, 504}
    small.wait_for_log("s3", "No writable volumes", seen=0)
    small.wait_for_log("retrieve failed", got.name, "blob store", seen=seen)


def test_the_next_request_has_all_when_there_is_room(small: SmallSystem, got: Origin, moved: Origin) -> None:
    small.fill()
    small.make_room()
    assert got.is_whole(got.retrieve())
    assert moved.is_whole(moved.retrieve())
