from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from isthmus.cli.embedded import EmbeddedNats
from isthmus.cli.run_file import hold
from isthmus.cli.status import patience
from isthmus.common.blobs import BlobStore
from isthmus.common.config.settings import S3
from isthmus.common.threads import Threads
from tests.cli.status.site import Site
from tests.waiting import PATIENCE


@pytest.fixture
def hasty() -> None:
    """Has a look end as soon as it does for a user."""


@pytest.fixture(autouse=True)
def _patient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a look wait for as long as it takes, where the time is not what a test claims."""
    if "hasty" not in request.fixturenames:
        for name in ("LOOK_SECONDS", "CONNECT_SECONDS"):
            monkeypatch.setattr(patience, name, PATIENCE)


@pytest.fixture
async def s3(s3_settings: S3) -> AsyncIterator[S3]:
    """A bucket that no other test uses."""
    settings = s3_settings.model_copy(update={"bucket": f"status-{uuid4().hex[:12]}"})
    threads = Threads("test-s3", 1)
    store = BlobStore(
        settings.endpoint, settings.access_key, settings.secret_key, settings.bucket, threads=threads
    )
    await store.ensure_bucket()
    yield settings
    store.close()
    threads.close()


@pytest.fixture
async def site(tmp_path: Path, data: Path, s3: S3) -> AsyncIterator[Site]:
    """A system with NATS and S3, and nothing else yet."""
    with hold(data):
        async with EmbeddedNats(tmp_path / "nats") as nats, AsyncExitStack() as stack:
            yield Site(data, nats, s3, stack)
