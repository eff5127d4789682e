"""What docs/dimse-clients.md says of TLS: its commands and settings do what it says."""

import asyncio
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from isthmus.cli.named_files import check_files
from isthmus.common.config import Settings, load_settings
from isthmus.common.service import Parts
from isthmus.scp.worker import serving
from tests.common.config.settings_file import written
from tests.documents.shell import run_example
from tests.peers.dcmtk import ENVIRONMENT
from tests.scp.conftest import ANY_PORT, INBOX

PAGE: Final = (Path(__file__).parents[2] / "docs" / "dimse-clients.md").read_text()
EXAMPLES: Final = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


def run(commands: str, folder: Path) -> str:
    environment = {**os.environ, **ENVIRONMENT}
    return run_example(commands, folder, environment, has_programs=lambda one: ".venv" not in one.parts)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of the page, in a folder with the certificates of the page."""
    run(EXAMPLES["certificates"], tmp_path)
    monkeypatch.chdir(tmp_path)
    return load_settings(written(tmp_path, EXAMPLES["tls"]))


def test_its_settings_and_certificates_can_be_used(settings: Settings) -> None:
    check_files(settings)
    assert settings.scp.tls is not None
    assert [one.tls is not None for one in settings.scp.destinations] == [True]
    assert [one.tls is not None for one in settings.dimse_origins] == [True]


async def test_a_client_associates_as_it_says(settings: Settings, parts: Parts, tmp_path: Path) -> None:
    assert settings.scp.tls is not None
    scp = settings.scp.model_copy(
        update={"listen": ANY_PORT, "tls": settings.scp.tls.model_copy(update={"listen": ANY_PORT})}
    )
    chosen: Mapping[str, object] = {"scp": scp, "access": settings.access}
    async with serving(Parts(parts.settings.model_copy(update=chosen), parts.bus, parts.blobs)) as server:
        command = EXAMPLES["encrypted"].replace("PACS", INBOX).replace("2762", str(server.tls_port))
        said = await asyncio.to_thread(run, command, tmp_path)
    assert "Received Echo Response (Success)" in said


@pytest.mark.parametrize("words", re.findall(r"^\| `(it[^`.:]+)[^|]*`", PAGE, re.MULTILINE))
def test_what_the_log_says_is_what_is_said(words: str) -> None:
    """The table quotes the words of the code."""
    root = Path(__file__).parents[2]
    said = [
        *(root / "libs/common/src/isthmus/common/dimse").glob("tls*.py"),
        *(root / "services/scp/src/isthmus/scp").glob("greeting.py"),
    ]
    assert any(words in file.read_text() for file in said), words
