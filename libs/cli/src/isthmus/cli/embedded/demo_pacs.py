"""A PACS to try things out: pynetdicom's `qrscp`, filled with pydicom's sample files."""

import asyncio
import sys
from pathlib import Path

from isthmus.cli.embedded.base import LOOPBACK, Embedded, free_ports
from isthmus.cli.private_file import write_private
from isthmus.cli.process import Program

_CONFIGURATION = """\
[DEFAULT]
ae_title: {ae_title}
port: {port}
bind_address: {host}
max_pdu: 131072
acse_timeout: 30
dimse_timeout: 30
network_timeout: 600
database_location: {database}
instance_location: {instances}

[{destination}]
address: {destination_host}
port: {destination_port}
"""


class EmbeddedDemoPacs(Embedded):
    """A DIMSE archive on loopback that answers C-ECHO, C-FIND, C-GET, C-MOVE and C-STORE.

    Attributes:
        ae_title: Its AE title.
        host: Where it listens.
        port: The port that it listens on.
    """

    def __init__(
        self, directory: Path, *, destination: str, destination_host: str, destination_port: int
    ) -> None:
        """Describe the archive.

        Args:
            directory: Where its database and its instances are.
            destination: The one AE title that it sends to by C-MOVE.
            destination_host: Where that AE listens.
            destination_port: The port that that AE listens on.
        """
        super().__init__(directory)
        self.ae_title = "DEMO"
        self.host = LOOPBACK
        (self.port,) = free_ports(1)
        self._destination = (destination, destination_host, destination_port)

    @property
    def program(self) -> Program:
        """The archive, ready when it accepts connections."""
        return Program(
            name="demo-pacs",
            command=[sys.executable, "-m", "isthmus.cli.demo", str(self.directory / "qrscp.ini")],
            ready=self._ready,
            directory=self.directory,
            stop_within=1,
        )

    def prepare(self) -> None:
        """Write the configuration file of qrscp."""
        destination, host, port = self._destination
        configuration = _CONFIGURATION.format(
            ae_title=_escape(self.ae_title),
            port=self.port,
            host=self.host,
            database=_escape(str(self.directory / "archive.sqlite")),
            instances=_escape(str(self.directory / "instances")),
            destination=destination,
            destination_host=host,
            destination_port=port,
        )
        write_private(self.directory / "qrscp.ini", configuration)

    async def _ready(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            return False
        writer.close()
        return True


def _escape(value: str) -> str:
    """Write a value of an INI file in which `%` means interpolation."""
    return value.replace("%", "%%")
