from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from isthmus.cli.run_file import CachePart, NatsPart, RunFile, S3Part, ScpPart, hold
from isthmus.common.config.settings import Nats
from tests import planted
from tests.cli.face import Face

OPERATOR_KEY = planted.secret("operator")
LINK_KEY = planted.secret("link")
SIGNING_KEY = planted.secret("signing")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder."""
    return tmp_path / "data"


@pytest.fixture
def running(data: Path, nats_settings: Nats) -> Iterator[None]:
    """What the commands find of a running system, of which only NATS is there."""
    with hold(data):
        RunFile(
            gateway="http://127.0.0.1:1",
            nats=NatsPart.model_validate(nats_settings.model_dump()),
            s3=S3Part(endpoint="127.0.0.1:1", bucket="isthmus", access_key="key", secret_key="secret"),
            scp=ScpPart(ae_title="ISTHMUS", host="127.0.0.1", port=11112),
            cache=CachePart(max_bytes=1000),
            services={},
        ).write(data)
        yield


@pytest.fixture
async def gateway(data: Path, nats_settings: Nats) -> AsyncIterator[Face]:
    """What answers as the gateway of a system that runs with the data folder."""
    face = Face("gateway")
    listening = await face.start()
    with hold(data):
        RunFile(
            gateway=f"http://{face.address}",
            nats=NatsPart.model_validate(nats_settings.model_dump()),
            s3=S3Part(endpoint="127.0.0.1:9000", bucket="isthmus", access_key="key", secret_key="secret"),
            scp=ScpPart(ae_title="ISTHMUS", host="127.0.0.1", port=11112),
            cache=CachePart(max_bytes=1000),
            services={"nats": [1]},
            key=OPERATOR_KEY,
            link_key=LINK_KEY,
            signing_key=SIGNING_KEY,
            clients="https://pacs.example.org",
        ).write(data)
        yield face
    listening.close()
