"""The catalogue and the reading side over real NATS and S3."""

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.retrieval import Catalogue, Retrieval

FRESH_SECONDS = 30.0


@pytest.fixture
def catalogue(blobs: BlobStore) -> Catalogue:
    return Catalogue(blobs)


@pytest.fixture
def retrieval(bus: Bus, catalogue: Catalogue) -> Retrieval:
    return Retrieval(bus, catalogue, FRESH_SECONDS)
