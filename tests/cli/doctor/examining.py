"""What `isthmus doctor` finds, for tests of it."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import create_server, socket
from typing import Final

from isthmus.cli.doctor import Cause, Check, Finding, Patience, Side, Surroundings, Verdict, examine
from isthmus.cli.run_file import RunFile
from isthmus.common.config import Settings
from tests.peers import Peer
from tests.waiting import PATIENCE

PATIENT: Final = Patience(connect=PATIENCE, answer=PATIENCE)
HURRIED: Final = Patience(connect=0.5)
"""For those who take no connection."""


@dataclass
class Heard:
    """All checks, as they ended."""

    checks: list[Check] = field(default_factory=list)
    begun: int = 0

    def begins(self, subject: str, what: str) -> None:
        self.begun += 1

    def ended(self, check: Check) -> None:
        self.checks.append(check)

    @property
    def findings(self) -> Sequence[Finding]:
        return [check.finding for check in self.checks if check.finding is not None]

    @property
    def unclear(self) -> Sequence[str]:
        return [check.detail for check in self.checks if check.verdict is Verdict.UNCLEAR]

    def only(self, cause: Cause, side: Side, *named: str) -> Finding:
        """Give the finding, of which there is one, with this cause; it names all of this."""
        assert [(one.cause, one.side) for one in self.findings] == [(cause, side)], self.findings
        (finding,) = self.findings
        said = "\n".join([finding.problem, *finding.advice])
        assert not [one for one in named if one not in said], said
        assert finding.advice
        return finding


async def examined(
    settings: dict[str, object] | Settings,
    data: Path,
    *origins: str,
    patience: Patience = PATIENT,
    running: RunFile | None = None,
) -> Heard:
    """Examine an installation with these settings."""
    if not isinstance(settings, Settings):
        settings = Settings.model_validate(settings)
    heard = Heard()
    await examine(Surroundings(settings, data, running, patience), origins, heard)
    return heard


def pacs(peer: Peer, us: Peer | None = None, **more: object) -> dict[str, object]:
    """Give settings with a PACS as their one origin, and ourselves where it knows us."""
    origin: dict[str, object] = {
        "name": "pacs",
        "ae_title": peer.ae_title,
        "host": peer.host,
        "port": peer.port,
        "retrieve": ["c-get"] if us is None else ["c-get", "c-move"],
        **more,
    }
    title, port = ("ISTHMUS", 11112) if us is None else (us.ae_title, us.port)
    return {"scp": {"ae_title": title, "listen": f"127.0.0.1:{port}"}, "origins": [origin]}


@contextmanager
def black_hole() -> Iterator[int]:
    """Give a port of loopback at which no connection is taken or refused: its queue is full."""
    with ExitStack() as closing:
        server = closing.enter_context(create_server(("127.0.0.1", 0), backlog=0))
        address = server.getsockname()
        for _ in range(4):
            waiting = closing.enter_context(socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        yield address[1]


@asynccontextmanager
async def wants_tls_and_says_so() -> AsyncIterator[int]:
    """Give a port that answers in clear that it speaks TLS, as servers in Go do."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = await reader.read(1) == b"\x16"
        writer.write(b"\x15\x03\x01\x00\x02\x02\x28" if hello else b"HTTP/1.0 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
