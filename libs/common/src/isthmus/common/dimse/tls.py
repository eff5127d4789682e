"""TLS of associations (PS3.15 B.12): whose certificates, read anew when they change."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias, cast

from cryptography import x509

from isthmus.common.auth.certificates import reading_certificates, subject_of
from isthmus.common.config.certificates import client_context, out_of_time, server_context
from isthmus.common.config.files import certificates_file, state_of
from isthmus.common.config.tls import ListenerTls, PeerTls
from isthmus.common.dimse.secure_socket import SecureSocket
from isthmus.common.errors import SettingsError
from isthmus.common.telemetry import get_logger

_State: TypeAlias = tuple[tuple[int, int, int] | None, ...]
"""Of files, to tell one from another."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Whom a certificate that holds is of."""

    subject: str
    """Its subject (RFC 4514), such as `CN=ct1,O=Hospital`; empty where it has none."""
    names: tuple[str, ...] = ()
    """Its alternative names (RFC 5280 4.2.1.6): `DNS:...`, `IP:...`, `URI:...` and `email:...`."""

    @classmethod
    def of(cls, connection: ssl.SSLSocket) -> "Certificate | None":
        """Read that of the peer; None where it showed none.

        Raises:
            ValueError: it cannot be read.
        """
        encoded = connection.getpeercert(binary_form=True)
        if not encoded:
            return None
        with reading_certificates():
            certificate = x509.load_der_x509_certificate(encoded)
            return cls(subject_of(certificate), tuple(_names(certificate)))


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [
        *(f"DNS:{name}" for name in names.get_values_for_type(x509.DNSName)),
        *(f"IP:{address}" for address in names.get_values_for_type(x509.IPAddress)),
        *(f"URI:{name}" for name in names.get_values_for_type(x509.UniformResourceIdentifier)),
        *(f"email:{name}" for name in names.get_values_for_type(x509.RFC822Name)),
    ]


class ClientTls:
    """TLS towards one peer."""

    def __init__(self, settings: PeerTls, host: str, place: str) -> None:
        """Read the files.

        Args:
            settings: its.
            host: where it is, which its certificate must name unless the settings say another.
            place: whose settings they are, for errors and the log: `origin pacs`.

        Raises:
            SettingsError: a file cannot be read, or used; says whose it is, which setting names it, and why.
        """
        files = [certificates_file(settings.ca_file), settings.certificate_file, settings.key_file]
        named = [one for one in files if one is not None]
        self._context = _Context(
            named, lambda: client_context(settings), partial(out_of_time, settings), place
        )
        self._server_name = settings.server_name or host

    def secure(self, connection: socket.socket) -> SecureSocket:
        """Wrap a socket that is not connected yet: it does its handshake when it is.

        Raises:
            OSError: it is of no use.
        """
        context = self._context.latest()
        return cast("SecureSocket", context.wrap_socket(connection, server_hostname=self._server_name))


class ServerTls:
    """TLS of a port that listens."""

    def __init__(self, settings: ListenerTls, place: str) -> None:
        """Read the files.

        Args:
            settings: the port's.
            place: whose they are, for errors and the log: `scp.tls`.

        Raises:
            SettingsError: a file cannot be read, or used; says which setting names it, and why.
        """
        files = [settings.certificate_file, settings.key_file, settings.client_ca_file]
        named = [one for one in files if one is not None]
        self._context = _Context(
            named, lambda: server_context(settings), partial(out_of_time, settings), place
        )

    def secure(self, connection: socket.socket) -> SecureSocket:
        """Prepare a connection; its handshake is to be done.

        Raises:
            OSError: the connection is broken.
        """
        context = self._context.latest()
        wrapped = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return cast("SecureSocket", wrapped)


class _Context:
    """A context that is made anew when one of its files has changed; any thread may ask for it."""

    def __init__(
        self,
        files: Sequence[Path],
        make: Callable[[], ssl.SSLContext],
        complaints: Callable[[], Iterable[str]],
        place: str,
    ) -> None:
        self._files = files
        self._make = make
        self._complaints = complaints
        self._place = place
        self._lock = threading.Lock()
        self._failed: _State | None = None
        self._version = self._look()
        try:
            self._made = self._new()
        except ValueError as error:
            raise SettingsError(f"{place}: {error}") from None

    def latest(self) -> ssl.SSLContext:
        """Give that of the files as they are now, or as they were when they could last be used."""
        with self._lock:
            version = self._look()  # before they are read: what changes while they are is seen next time
            if version != self._version:
                self._renew(version)
            return self._made

    def _renew(self, version: _State) -> None:
        try:
            self._made = self._new()
        except ValueError as error:  # of a pair perhaps one is written, and the other not yet
            if version != self._failed:
                self._failed = version
                log.error("changed certificates cannot be used", settings=self._place, reason=str(error))
            return
        self._version, self._failed = version, None
        log.info("certificates read anew", settings=self._place)

    def _new(self) -> ssl.SSLContext:
        context = self._make()
        for complaint in self._complaints():
            log.warning("a certificate is out of its time", settings=self._place, reason=complaint)
        context.sslsocket_class = SecureSocket
        return context

    def _look(self) -> _State:
        return tuple(state_of(file) for file in self._files)
