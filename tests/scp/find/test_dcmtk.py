"""DCMTK's findscu at the face: what it finds, and that it may cancel."""

import asyncio
import os
import subprocess
from collections.abc import Sequence

import pytest

from isthmus.scp.worker import Server
from tests.peers.dcmtk import ENVIRONMENT
from tests.scp.find.conftest import ARCHIVE, Played
from tests.scp.find.test_stopping import AT_ONCE, studies
from tests.waiting import PATIENCE

pytestmark = pytest.mark.anyio


async def findscu(server: Server, *options: str) -> Sequence[str]:
    """Run it, and give its log."""
    command = ["findscu", "-v", *options, "-aec", ARCHIVE, "127.0.0.1", str(server.port)]
    ended = await asyncio.to_thread(
        subprocess.run,
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
        env={**os.environ, **ENVIRONMENT},
        check=True,
    )
    return str(ended.stdout.decode(errors="replace")).splitlines()


def final(log: Sequence[str]) -> str:
    return next(line for line in log if "Final Find Response" in line)


@pytest.mark.parametrize("syntax", ["-xe", "-xi"])
@pytest.mark.parametrize("model", ["-P", "-S", "-O"])
async def test_a_search(server: Server, played: Played, model: str, syntax: str) -> None:
    played.answer = lambda _: studies(3, "Müller^Jürgen")
    log = await findscu(
        server, model, syntax, "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID", "-k", "PatientName"
    )
    assert "(Success)" in final(log)
    assert sum("(0020,000d) UI [1.2." in line for line in log) == 3
    assert sum("(0008,0005) CS [ISO_IR 192]" in line for line in log) == 3


async def test_a_cancel(server: Server, played: Played) -> None:
    played.answer, played.endless = lambda _: studies(3), True
    log = await findscu(
        server, "-S", "--cancel", "2", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID"
    )
    assert "Cancel" in final(log)
    async with asyncio.timeout(AT_ONCE):
        await played.left.wait()


async def test_a_failure(server: Server, played: Played) -> None:
    log = await findscu(server, "-S", "-k", "QueryRetrieveLevel=FRAME", "-k", "SeriesInstanceUID")
    assert "(Error: DataSetDoesNotMatchSOPClass)" in final(log)
    assert not played.queries
