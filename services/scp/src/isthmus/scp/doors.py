"""The ports of the DIMSE face: one in clear, one with TLS, or both."""

import os
import socket
from dataclasses import dataclass

from isthmus.common.config import ListenAddress
from isthmus.common.config.settings import Scp
from isthmus.common.dimse.tls import ServerTls
from isthmus.common.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Door:
    """One of them."""

    setting: str
    """Which says where it is, for errors: `scp.listen`."""
    address: ListenAddress
    tls: ServerTls | None = None
    """None: everything is in clear."""

    def listen(self, waiting: int) -> socket.socket:
        """Give a socket that listens.

        Args:
            waiting: connections at most that are to be accepted.

        Raises:
            SettingsError: the address cannot be listened on.
        """
        family = socket.AF_INET6 if ":" in self.address.host else socket.AF_INET
        try:
            return socket.create_server(
                (self.address.host, self.address.port), family=family, backlog=waiting
            )
        except OSError as error:
            reason = os.strerror(error.errno or 0)  # its own words have the address again
            raise SettingsError(f"{self.setting}: {self.address}: {reason}") from error


def doors(settings: Scp) -> tuple[Door, ...]:
    """Give those that the settings want: at least one.

    Raises:
        SettingsError: a certificate cannot be used.
    """
    found = []
    if settings.listen:
        found.append(Door("scp.listen", ListenAddress(settings.listen)))
    if settings.tls is not None:
        address = ListenAddress(settings.tls.listen)
        found.append(Door("scp.tls.listen", address, ServerTls(settings.tls, "scp.tls")))
    return tuple(found)
