"""docs/start.md from its first command to its last, in a folder that holds what the repository does."""

import os
import queue
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import IO, Final

import pydicom
import pytest
from PIL import Image

from tests.documents.blocks import ROOT, blocks
from tests.documents.commands.reader import Reader
from tests.documents.commands.words import GATEWAY, replaced
from tests.peers import Orthanc, free_port
from tests.system.gateway import READY_WITHIN, STOPS_WITHIN

PAGE: Final = ROOT / "docs/start.md"
BLOCKS: Final = {block.name: block for block in blocks(PAGE) if block.name}
READY: Final = next(block.text.strip() for block in blocks(PAGE) if "is ready" in block.text)
IMAGES: Final = 40


@contextmanager
def made_up(reader: Reader, ready: str) -> Iterator[None]:
    """Run `make up` as the page says, until Ctrl-C: from when it says that it is ready."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", BLOCKS["up"].text],
        cwd=reader.folder,
        env=reader.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    lines: queue.Queue[str | None] = queue.Queue()
    reading = Thread(target=hand_on, args=(process.stdout, lines))
    reading.start()
    said: list[str] = []
    try:
        while not said or said[-1] != ready:
            line = lines.get(timeout=READY_WITHIN)
            assert line is not None, "\n".join(said)
            said.append(line)
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C reaches make and what it runs
        process.wait(STOPS_WITHIN)
        reading.join()


def hand_on(out: IO[str], lines: "queue.Queue[str | None]") -> None:
    with out:
        for line in out:
            lines.put(line.rstrip("\n"))
    lines.put(None)


@pytest.fixture
def ports() -> Mapping[str, str]:
    """Where it is to listen: the page has the addresses that it takes by itself."""
    return {
        "ISTHMUS_GATEWAY__LISTEN": f"127.0.0.1:{free_port()}",
        "ISTHMUS_SCP__LISTEN": f"127.0.0.1:{free_port()}",
    }


@pytest.fixture
def reader(tmp_path: Path, ports: Mapping[str, str]) -> Reader:
    for name in ("Makefile", "requirements", "libs", "services", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    url = f"http://{ports['ISTHMUS_GATEWAY__LISTEN']}"
    return Reader(tmp_path, {GATEWAY: url}, ports)


def test_from_nothing_to_a_picture_and_then_to_an_own_pacs(
    reader: Reader, ports: Mapping[str, str], orthanc: Orthanc
) -> None:
    ready = replaced(READY, {GATEWAY: f"http://{ports['ISTHMUS_GATEWAY__LISTEN']}"})
    assert ready != READY
    with made_up(reader, ready):
        for name in ("alive", "search", "picture", "shell"):
            reader.run(BLOCKS[name])
        with Image.open(reader.folder / "head.jpg") as picture:
            assert picture.format == "JPEG"
        files = list((reader.folder / "study").glob("*.dcm"))
        assert {pydicom.dcmread(file).PatientID for file in files} == {"PHANTOM"}
        assert len(files) == IMAGES
    settings = BLOCKS["isthmus.toml"].text.replace("port = 4242", f"port = {orthanc.dicom_port}")
    (reader.folder / "isthmus.toml").write_text(settings)
    with made_up(reader, ready):
        assert "pacs answers" in reader.run(BLOCKS["own"])


def test_no_command_of_the_page_is_left_out() -> None:
    assert {block.name for block in blocks(PAGE) if block.content != "text"} == {
        *("up", "alive", "search", "picture", "shell", "isthmus.toml", "own"),
    }
