"""An inbox and its worker, over real NATS and S3."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox, Settings
from isthmus.common.service import Parts
from isthmus.web_scu.worker import worker
from tests.common.inbox.studies import inbox_of, study_of
from tests.data_sets import make_series


@pytest.fixture
def inbox(origin_name: str) -> Inbox:
    return inbox_of(origin_name)


@pytest.fixture
def settings(inbox: Inbox) -> Settings:
    """Those of a system with one inbox."""
    return Settings(origins=(inbox,))


@pytest.fixture
async def served(bus: Bus, blobs: BlobStore, settings: Settings) -> AsyncIterator[None]:
    """Its worker runs."""
    async with worker(Parts(settings, bus, blobs)):
        yield


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two series of one patient's study, of three images and of two, and one image of another."""
    first = make_series(tmp_path_factory.mktemp("one"), 3)
    second = make_series(tmp_path_factory.mktemp("two"), 2, study_uid=study_of(first[0]), seed=1)
    (other,) = make_series(tmp_path_factory.mktemp("other"), 1, seed=2)
    return [*first, *second, other]
