"""An inbox and its worker, over real NATS and S3."""

from collections.abc import AsyncIterator

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox, Settings
from isthmus.common.service import Parts
from isthmus.web_scu.worker import worker
from tests.common.inbox.studies import inbox_of


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
