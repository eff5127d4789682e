"""What a worker tells of a PACS that misbehaves, as the status shows it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from isthmus.cli.run_file import OriginPart
from isthmus.cli.status.model import Answer
from isthmus.common.blobs import BlobStore
from isthmus.common.threads import Threads
from tests.cli.status.site import Site, origin
from tests.data_sets import make_series
from tests.dimse_scu.conftest import Serve
from tests.pacs import FaultyPacs, RefusesAssociation, Silent


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyPacs]:
    with FaultyPacs(make_series(tmp_path_factory.mktemp("pacs"), 1)) as pacs:
        yield pacs


@pytest.fixture
async def blobs(site: Site) -> AsyncIterator[BlobStore]:
    """The bucket of the system."""
    threads, s3 = Threads("test-s3", 2), site.s3
    yield BlobStore(s3.endpoint, s3.access_key, s3.secret_key, s3.bucket, threads=threads)
    threads.close()


@pytest.fixture
async def serve(site: Site, blobs: BlobStore, pacs: FaultyPacs) -> AsyncIterator[Serve]:
    """Starts workers for the PACS in this process."""
    serve = Serve(await site.bus(), blobs, pacs.renewed())
    yield serve
    await serve.end()


async def test_one_that_rejects_us_is_away_and_says_why(site: Site, serve: Serve, pacs: FaultyPacs) -> None:
    pacs.behave(RefusesAssociation())
    await serve("rejects")
    site.origins.append(OriginPart(name="rejects", protocol="dimse"))
    found = origin(await site.look(), "rejects")
    assert found.answer is Answer.AWAY
    assert "reject" in (found.reason or "").lower()
    assert found.associations is not None
    assert found.associations.waiting == 0


async def test_one_that_never_answers_is_silent_while_others_answer(
    site: Site, serve: Serve, blobs: BlobStore, pacs: FaultyPacs, tmp_path: Path
) -> None:
    pacs.behave(Silent())
    await serve("silent", timeout_seconds=60)
    with FaultyPacs(make_series(tmp_path, 1)) as other:
        fine = Serve(await site.bus(), blobs, other)
        await fine("fine")
        site.origins += [OriginPart(name=name, protocol="dimse") for name in ("silent", "fine")]
        status = await site.look()
        await fine.end()
    assert origin(status, "silent").answer is Answer.SILENT
    found = origin(status, "fine")
    assert found.answer is Answer.ANSWERS
    assert found.latency_ms is not None
