"""docs/connect/orthanc.md, from its first command to its last, with the Orthanc of Debian."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.data_sets import Identity, identity, make_series
from tests.documents.blocks import ROOT, Content, blocks
from tests.documents.commands.reader import Reader
from tests.peers import Orthanc, Peer, free_port
from tests.system.gateway import Gateway

PAGE: Final = ROOT / "docs/connect/orthanc.md"
BLOCKS: Final = {block.name: block for block in blocks(PAGE)}
NOTHING: Final = {f"DicomAlwaysAllow{what}": False for what in ("Echo", "Find", "Get", "Move", "Store")}
"""So that only what the page writes lets anybody do anything."""
SIDES: Final = {"by-get": '["c-get"]', "by-move": '["c-move"]', "by-both": '["c-get", "c-move"]'}


@pytest.fixture(scope="module")
def scp() -> Peer:
    return Peer("ISTHMUS", "127.0.0.1", free_port())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_series(tmp_path_factory.mktemp("at-orthanc"), 3, seed=80)


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory, scp: Peer, files: list[Path]) -> Iterator[Orthanc]:
    """Orthanc with the settings of the page."""
    text = BLOCKS["orthanc.json"].text.replace(" 11112", f" {scp.port}")
    port = free_port()
    settings = {**NOTHING, **json.loads(text), "DicomPort": port}
    directory = tmp_path_factory.mktemp("orthanc-page")
    with Orthanc(directory, dicom_port=port, tls=settings) as pacs:
        pacs.load(files)
        yield pacs


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, orthanc: Orthanc, scp: Peer) -> Iterator[Gateway]:
    """Isthmus with the settings of the page; the same origin once more for each way to retrieve alone."""
    _, found, origin = BLOCKS["isthmus.toml"].text.partition("[[origins]]")
    assert found
    origin = found + origin.replace("4242", str(orthanc.dicom_port))
    origins = [origin] + [
        origin.replace('"pacs"', f'"{name}"').replace(SIDES["by-both"], methods)
        for name, methods in SIDES.items()
    ]
    with Gateway(tmp_path_factory.mktemp("page"), "\n".join(origins), scp) as system:
        yield system


@pytest.fixture
def reader(gateway: Gateway, tmp_path: Path, files: list[Path]) -> Reader:
    (tmp_path / ".isthmus").symlink_to(gateway.data)
    (tmp_path / "isthmus.toml").symlink_to(gateway.config)
    return Reader(tmp_path, {"STUDY": identity(files[0]).study_instance_uid})


def held(folder: Path) -> set[Identity]:
    return {identity(file) for file in folder.glob("*.dcm")}


def test_it_answers_is_searched_retrieved_from_and_stored_in(
    reader: Reader, orthanc: Orthanc, files: list[Path]
) -> None:
    said = reader.run(BLOCKS["test"])
    assert " checks: all is well" in said
    assert "pacs answers" in said
    assert "1 found" in said
    assert held(reader.folder / "study") == set(map(identity, files))
    orthanc.delete_all()
    reader.run(BLOCKS["store"])
    assert len(orthanc.held()) == len(files)


@pytest.mark.parametrize("origin", ["by-get", "by-move"])
def test_each_way_of_retrieval_works_alone(
    reader: Reader, files: list[Path], gateway: Gateway, origin: str
) -> None:
    study = identity(files[0]).study_instance_uid
    got = gateway.isthmus("get", origin, study, "--output", str(reader.folder / origin))
    assert got.returncode == 0, got.stderr
    assert held(reader.folder / origin) == set(map(identity, files))


def test_no_block_of_the_page_is_left_out() -> None:
    assert {block.name for block in blocks(PAGE)} == {"orthanc.json", "isthmus.toml", "test", "store"}
    assert all(block.content is not Content.TEXT for block in blocks(PAGE))
