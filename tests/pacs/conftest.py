"""A PACS for the tests of the PACS, and what it holds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.uid import RLELossless

from tests.data_sets import distinct_files, identity, make_series
from tests.pacs import FaultyPacs
from tests.peers import Peer, Storescp, free_port

COUNT = 4


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_series(tmp_path_factory.mktemp("images"), COUNT)


@pytest.fixture(scope="module")
def uids(images: list[Path]) -> list[str]:
    return [identity(image).sop_instance_uid for image in images]


@pytest.fixture(scope="module")
def study(images: list[Path]) -> dict[str, str]:
    return {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": identity(images[0]).study_instance_uid}


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Another study, compressed, and the corpus's over-long UIDs."""
    corpus = distinct_files(tmp_path_factory.mktemp("corpus"))
    over_long = [file for file in corpus if len(identity(file).sop_instance_uid) > 64]
    rle = make_series(tmp_path_factory.mktemp("rle"), 1, seed=7, transfer_syntax=RLELossless)
    return rle + over_long


@pytest.fixture(scope="module")
def _pacs(images: list[Path], others: list[Path], _storescp: Storescp) -> Iterator[FaultyPacs]:
    nobody = Peer("NOBODY", "127.0.0.1", free_port())
    with FaultyPacs([*images, *others], destinations=[_storescp.peer, nobody]) as pacs:
        yield pacs


@pytest.fixture
def pacs(_pacs: FaultyPacs) -> FaultyPacs:
    return _pacs.renewed()
