"""PACS of these tests alone: where others know us a system may listen still, and here the doctor does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers import Dcmqrscp, Orthanc, Peer, Storescp, free_port


@pytest.fixture(scope="package")
def isthmus_peer() -> Peer:
    """Where they believe us to be."""
    return Peer("ISTHMUS", "127.0.0.1", free_port())


@pytest.fixture(scope="package")
def orthanc(
    tmp_path_factory: pytest.TempPathFactory, corpus: list[Path], isthmus_peer: Peer
) -> Iterator[Orthanc]:
    """Holds the corpus; tests only read from it."""
    with Orthanc(tmp_path_factory.mktemp("orthanc"), destinations=[isthmus_peer]) as pacs:
        pacs.load(corpus)
        yield pacs


@pytest.fixture(scope="package")
def empty_orthanc(tmp_path_factory: pytest.TempPathFactory, isthmus_peer: Peer) -> Iterator[Orthanc]:
    """Holds nothing; tests only read from it."""
    directory = tmp_path_factory.mktemp("empty-orthanc")
    with Orthanc(directory, ae_title="EMPTY", destinations=[isthmus_peer]) as pacs:
        yield pacs


@pytest.fixture(scope="package")
def dcmqrscp(
    tmp_path_factory: pytest.TempPathFactory, corpus: list[Path], _storescp: Storescp, isthmus_peer: Peer
) -> Iterator[Dcmqrscp]:
    """Holds what it can of the corpus; tests only read from it."""
    directory = tmp_path_factory.mktemp("dcmqrscp")
    with Dcmqrscp(directory, destinations=[_storescp.peer, isthmus_peer]) as pacs:
        pacs.load(corpus)
        yield pacs
