"""A system for the documents: their origins, who subscribes, and what could not be forwarded."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
from pydicom.data import get_testdata_file

from isthmus.cli.embedded.demo_pacs import EmbeddedDemoPacs
from isthmus.cli.viewer import viewer_folder
from tests import planted
from tests.data_sets import make_series
from tests.documents.commands.words import GATEWAY, SCP
from tests.pacs import FaultyPacs, StoreStatus
from tests.peers import Peer, eventually, free_port
from tests.peers.process import LOOPBACK, Process
from tests.system.gateway import Gateway
from tests.waiting import PATIENCE

STUDY: Final = "1.2.826.0.1.3680043.8.498.11947461768940046266647859050478552336"
"""The phantom of the demo PACS."""
_REFUSED: Final = 0xC000

_SETTINGS: Final = """\
[dicomweb]
store = "pacs"
[arrivals]
quiet_seconds = 1
max_attempts = 1
[[arrivals.forward]]
to = ["refuser"]
each = "instance"
[[arrivals.webhooks]]
name = "ai"
url = "http://127.0.0.1:{webhook}"
secret = "{secret}"
[[access.subscribers]]
name = "ai"
password = "{secret}"
[[origins]]
name = "pacs"
ae_title = "DEMO"
port = {port}
[[origins]]
name = "refuser"
ae_title = "{refuser.ae_title}"
port = {refuser.port}
[[origins]]
name = "inbox"
protocol = "inbox"
ae_title = "INBOX"
"""


@dataclass(frozen=True)
class Documented:
    """A running system as documents have it.

    Attributes:
        gateway: it.
        given: what documents write for something of the reader's, with what that is here.
    """

    gateway: Gateway
    given: dict[str, str]

    def dead_letter(self) -> str:
        """Wait for a letter that is there: one that a page has replayed comes again, under another number."""
        assert eventually(lambda: bool(self.gateway.json_of("dead", "list")))
        return str(self.gateway.json_of("dead", "list")[0]["number"])


@contextmanager
def demo_pacs(folder: Path, scp: Peer) -> Iterator[Peer]:
    """The PACS that `isthmus up` starts where no origin is configured."""
    folder.mkdir()
    pacs = EmbeddedDemoPacs(
        folder, destination=scp.ae_title, destination_host=scp.host, destination_port=scp.port
    )
    pacs.prepare()
    command = [sys.executable, "-m", "isthmus.cli.demo", str(folder / "qrscp.ini")]
    process = Process(command, log=folder / "pacs.log", environment={})
    try:
        process.wait_until(lambda: _takes_connections(pacs.port))
        yield Peer(pacs.ae_title, pacs.host, pacs.port)
    finally:
        process.stop()


def _takes_connections(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port)).close()
    except OSError:
        return False
    return True


@contextmanager
def documented(folder: Path) -> Iterator[Documented]:
    """Start it, with a study in the inbox that could not be forwarded."""
    scp = Peer("ISTHMUS", "127.0.0.1", free_port())
    with ExitStack() as started:
        pacs = started.enter_context(demo_pacs(folder / "pacs", scp))
        refuser = started.enter_context(FaultyPacs(make_series(folder / "refuser", 1)))
        refuser.behave(StoreStatus(status=_REFUSED))
        secret = planted.secret("of-the-documents-")
        settings = _SETTINGS.format(webhook=free_port(), port=pacs.port, refuser=refuser.peer, secret=secret)
        gateway = Gateway(folder, settings, scp)
        _lay_out_a_viewer(viewer_folder(gateway.data))
        started.enter_context(gateway)
        stored = gateway.isthmus("store", "inbox", str(get_testdata_file("CT_small.dcm")))
        assert stored.returncode == 0, stored.stderr
        yield Documented(gateway, _given(gateway))


def _lay_out_a_viewer(folder: Path) -> None:
    """Have a page where `make viewer` has OHIF: links to it are made where it is there."""
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Viewer</title>")


def _given(gateway: Gateway) -> dict[str, str]:
    with httpx2.Client(base_url=gateway.url, timeout=PATIENCE, trust_env=False) as client:
        answer = client.get(f"/aets/pacs/studies/{STUDY}/instances", params={"limit": 1})
        (found,) = answer.json()
    return {
        GATEWAY: gateway.url,
        "demo": "pacs",
        "PACS": "pacs",
        SCP: f"127.0.0.1 {gateway.scp.port}",
        "STUDY": STUDY,
        "SERIES": found["0020000E"]["Value"][0],
        "INSTANCE": found["00080018"]["Value"][0],
        "ID": "PHANTOM",
        "TRACE_ID": answer.headers["traceresponse"].split("-")[1],
    }
