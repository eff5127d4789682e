from collections.abc import AsyncIterator

import pytest

from isthmus.common.webclient import WebClient
from tests.certificates import Authority
from tests.common.webclient.web_origin import Site, origin_at


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom clients can be told to trust."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """An origin that answers every request with one study, until it is told otherwise."""
    async with Site().listening() as site:
        yield site


@pytest.fixture
async def client(site: Site) -> AsyncIterator[WebClient]:
    """A client of it."""
    async with WebClient(origin_at(site.url)) as client:
        yield client
