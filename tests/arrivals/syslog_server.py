"""A syslog server: frames with their lengths before them, over TCP or TLS."""

import asyncio
import re
import ssl
from dataclasses import dataclass
from typing import Self
from xml.etree.ElementTree import Element

from tests.arrivals.audit_schema import valid
from tests.waiting import PATIENCE

_HEADER = re.compile(
    r"<(?P<priority>\d+)>1 (?P<time>\S+) (?P<host>\S+) (?P<application>\S+) (?P<process>\S+) (?P<id>\S+) - "
)
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Taken:
    """A message that came."""

    priority: int
    time: str
    application: str
    message_id: str
    message: Element


class SyslogServer:
    """Takes messages until it is closed; it can listen again on the same port."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.taken: list[Taken] = []
        self.malformed: list[str] = []
        self.came = asyncio.Condition()

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=self._context, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in tuple(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                length = await reader.readuntil(b" ")
                await self._take(await reader.readexactly(int(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except Exception as error:  # noqa: BLE001 - the test is to see it
            self.malformed.append(repr(error))
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _take(self, frame: bytes) -> None:
        text, _, message = frame.partition(_BOM)
        header = _HEADER.fullmatch(text.decode("ascii"))
        assert header is not None, text
        taken = Taken(
            int(header["priority"]), header["time"], header["application"], header["id"], valid(message)
        )
        async with self.came:
            self.taken.append(taken)
            self.came.notify_all()

    async def has(self, *resources: str) -> list[Taken]:
        """Wait until messages about these resources came, and give them in the order in which they came."""
        async with asyncio.timeout(PATIENCE), self.came:
            await self.came.wait_for(lambda: {*resources} <= {about(one) for one in self.taken})
        return [one for one in self.taken if about(one) in resources]


def about(taken: Taken) -> str:
    """The first participant object's id."""
    found = next(taken.message.iter("ParticipantObjectIdentification"), None)
    return "" if found is None else found.attrib["ParticipantObjectID"]
