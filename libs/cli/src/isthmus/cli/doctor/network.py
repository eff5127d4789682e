"""Whether something can be reached by TCP, and, where it does not speak as it should, what it speaks."""

import asyncio
import errno
import re
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from ipaddress import ip_address
from typing import Final

from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.findings import Side, Subject, Wrong
from isthmus.common.dimse.secure_socket import TLS

_NO_ROUTE: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})
_ALERT: Final = b"\x15"
"""What TLS begins with that refuses (RFC 8446 5.1)."""
_ABORT: Final = b"\x07\x00\x00\x00\x00\x04"
"""What an A-ABORT begins with, by which DICOM answers to what is no PDU (PS3.8 9.3.8)."""
_INFO: Final = b"INFO {"
"""What NATS begins with, before it is asked anything."""
_MOST_BYTES: Final = 64


class Speaks(StrEnum):
    """What whoever listens answers to."""

    HTTP = "http"
    HTTPS = "https"
    TLS = "tls"
    DICOM = "dicom"
    NATS = "nats"
    SOMETHING = "something"
    NOTHING = "nothing"


_BEGINNINGS: Final[Mapping[re.Pattern[bytes], Speaks]] = {
    re.compile(rb"HTTP/\S+ (?!400)"): Speaks.HTTP,
    re.compile(re.escape(_ABORT)): Speaks.DICOM,
    re.compile(re.escape(_INFO)): Speaks.NATS,
    re.compile(re.escape(_ALERT)): Speaks.TLS,
}
"""Of answers to a request of HTTP, from which it is clear what is spoken."""


async def reach(subject: Subject, host: str, port: int, seconds: float, *, where: str) -> None:
    """See that a name is known, and that somebody takes connections there.

    Args:
        subject: whose checks these are.
        host: name or address.
        port: of it.
        seconds: for each of the two.
        where: the settings that name both.

    Raises:
        Ended: one of them is not so.
    """
    with subject.step("name") as note:
        note.detail = await _resolve(host, seconds, where)
    with subject.step("connection") as note:
        await _connect(host, port, seconds, where)
        note.detail = f"{host}:{port} takes connections"


async def _resolve(host: str, seconds: float, where: str) -> str:
    if _is_address(host):
        return host
    try:
        async with asyncio.timeout(seconds):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:  # a name with an empty label, say, cannot be encoded
        if isinstance(error, OSError) and error.errno in {socket.EAI_AGAIN, socket.EAI_FAIL}:
            raise _no_name_server(host) from None
        raise Wrong(
            Cause.NAME_UNKNOWN,
            Side.OURS,
            f"no host named {host} is known here",
            f"{where}: correct the name {host}, or write the IP address in its place",
            f"if the name is right: have it entered in DNS, or in /etc/hosts here: getent hosts {host}",
        ) from None
    except TimeoutError:
        raise _no_name_server(host) from None
    return f"{host} is {found[0][4][0]}"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _no_name_server(host: str) -> Wrong:
    return Wrong(
        Cause.NAME_SERVER_AWAY,
        Side.NETWORK,
        f"no name server answers to the question who {host} is",
        "see that the name servers in /etc/resolv.conf are reached from here",
        f"or write the IP address of {host} in the settings",
    )


async def _connect(host: str, port: int, seconds: float, where: str) -> None:
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        raise Wrong(
            Cause.CONNECTION_SILENT,
            Side.NETWORK,
            f"{host}:{port} says neither yes nor no within {seconds:g} s: a firewall drops what we send",
            f"let TCP from {ours(host, port)} to {host}, port {port}, through each firewall on the way",
            f"if there is none: {host} is the address of a machine that is off, or of none; correct {where}",
        ) from None
    except OSError as error:
        raise _not_connected(error, host, port, where) from None
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def _not_connected(error: OSError, host: str, port: int, where: str) -> Wrong:
    # Of several addresses each has failed in a way of its own, which asyncio tells in one text alone.
    if error.errno in _NO_ROUTE:
        return Wrong(
            Cause.NO_ROUTE,
            Side.NETWORK,
            f"there is no way from here to {host}: {error.strerror}",
            f"see that it is on, and that there is a route to it: ip route get {host}",
        )
    if error.errno is not None and error.errno not in {errno.ECONNREFUSED, errno.ECONNRESET}:
        return Wrong(
            Cause.NO_ROUTE,
            Side.NETWORK,
            f"no connection to {host}:{port}: {error.strerror}",
            f"see that {host}, port {port}, may be connected to from here",
        )
    return Wrong(
        Cause.CONNECTION_REFUSED,
        Side.THEIRS,
        f"{host} is there, but nothing listens on port {port}",
        f"see that it runs there, and on which port it listens: if that is not {port}, correct {where}",
        "a firewall that rejects instead of dropping looks the same: ask for connections from "
        f"{ours(host, port)} to port {port}",
    )


def ours(host: str, port: int) -> str:
    """Give the address by which we go to a host: the one that it, and firewalls on the way, see of us."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)  # of a datagram socket: nothing is sent
            return str(probe.getsockname()[0])
    except OSError:
        return socket.gethostname()


async def speaks(host: str, port: int, seconds: float) -> Speaks:
    """Find out what is spoken at a port where something else was expected."""
    heard = await _said(host, port, b"GET / HTTP/1.0\r\n\r\n", seconds)
    for beginning, spoken in _BEGINNINGS.items():
        if beginning.match(heard):
            return spoken
    answered = await _said(host, port, _client_hello(), seconds)
    speaks_tls = answered[:1] in {TLS, _ALERT}
    if heard.startswith(b"HTTP/"):  # servers in Go, and nginx, tell in clear that they are to be asked by TLS
        return Speaks.HTTPS if speaks_tls else Speaks.HTTP
    if speaks_tls:
        return Speaks.TLS
    return Speaks.SOMETHING if heard or answered else Speaks.NOTHING


async def _said(host: str, port: int, words: bytes, seconds: float) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(words)
                return await reader.read(_MOST_BYTES)
            finally:
                writer.close()
    except OSError:  # a TimeoutError is one
        return b""


def _client_hello() -> bytes:
    """Give what TLS begins with."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()
