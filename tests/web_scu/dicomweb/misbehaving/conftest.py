"""A worker in front of a server that holds a study, and does otherwise where a test says so."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from isthmus.common.messages import Retrieve
from tests.data_sets import identity, make_series
from tests.web_scu.dicomweb.conftest import Serve
from tests.web_scu.dicomweb.holding import Holding
from tests.web_scu.dicomweb.misbehaving.ends import COUNT


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A study of one series."""
    return make_series(tmp_path_factory.mktemp("archived"), COUNT, seed=900)


@pytest.fixture(scope="session")
def uids(images: list[Path]) -> list[str]:
    return [identity(image).sop_instance_uid for image in images]


@pytest.fixture(scope="session")
def contents(images: list[Path]) -> list[bytes]:
    return [image.read_bytes() for image in images]


@pytest.fixture
async def holding(images: list[Path]) -> AsyncIterator[Holding]:
    async with Holding.of(images) as holding:
        yield holding


@pytest.fixture
def patience() -> float:
    """Seconds that the server has."""
    return 600.0


@pytest.fixture
async def study(
    serve: Serve, origin_name: str, holding: Holding, images: list[Path], patience: float
) -> Retrieve:
    await serve(origin_name, holding.url, timeout_seconds=patience)
    return Retrieve(origin_name, identity(images[0]).study_instance_uid)


@pytest.fixture
def series(study: Retrieve, images: list[Path]) -> str:
    """The path of the series."""
    return f"studies/{study.study}/series/{identity(images[0]).series_instance_uid}"
