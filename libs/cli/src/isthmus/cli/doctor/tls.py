"""What failed of TLS, at which side, and what to change there."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.findings import Side, Wrong
from isthmus.cli.doctor.network import Speaks, speaks
from isthmus.common.dimse.tls_fault import TlsFault, fault_of

_CAUSES: Final[Mapping[TlsFault, Cause]] = {
    TlsFault.UNKNOWN_AUTHORITY: Cause.TLS_UNKNOWN_AUTHORITY,
    TlsFault.WRONG_NAME: Cause.TLS_WRONG_NAME,
    TlsFault.EXPIRED: Cause.TLS_EXPIRED,
    TlsFault.NOT_YET_VALID: Cause.TLS_NOT_YET_VALID,
    TlsFault.INVALID: Cause.TLS_INVALID,
    TlsFault.SPEAKS_HTTP: Cause.TLS_NOT_SPOKEN,
    TlsFault.NO_TLS: Cause.TLS_NOT_SPOKEN,
    TlsFault.WANTS_CERTIFICATE: Cause.TLS_CERTIFICATE_WANTED,
    TlsFault.DISTRUSTS_US: Cause.TLS_CERTIFICATE_REFUSED,
    TlsFault.WE_EXPIRED: Cause.TLS_CERTIFICATE_REFUSED,
    TlsFault.NOTHING_IN_COMMON: Cause.TLS_NOTHING_IN_COMMON,
}
UNEXPLAINED: Final = frozenset({TlsFault.BROKE_OFF, TlsFault.SILENT, TlsFault.OTHER, TlsFault.NO_TLS})
"""What may come of it where no TLS is spoken."""


@dataclass(frozen=True, slots=True)
class Place:
    """With whom TLS is spoken, and which settings say how."""

    host: str
    port: int
    name: str
    """What its certificate must be for."""
    ca_file: str
    """The key of the setting that names whom we trust."""
    certificate_file: str | None
    """The key of the setting that names our certificate; None: there is none for it."""
    shows_certificate: bool
    """Whether one is set."""
    without: str
    """What to change here where it is to be spoken with in clear."""
    naming: str | None = None
    """The key of the setting that says another name; None: there is none."""


async def handshake(place: Place, context: ssl.SSLContext, seconds: float) -> None:
    """Do a handshake as we do it, and say something: some refuse a client only then (TLS 1.3).

    Raises:
        Wrong: there is no TLS with it.
    """
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(
                place.host, place.port, ssl=context, server_hostname=place.name
            )
            try:
                writer.write(b"GET / HTTP/1.0\r\n\r\n")
                await reader.read(1)
            finally:
                writer.close()
    except OSError as error:
        fault = fault_of(error)
        if fault in UNEXPLAINED and await speaks(place.host, place.port, seconds) is Speaks.HTTP:
            fault = TlsFault.NO_TLS
        raise no_tls(fault, place) from None


def no_tls(fault: TlsFault, place: Place) -> Wrong:
    """Say what is wrong."""
    cause = _CAUSES.get(fault, Cause.TLS_FAILED)
    if fault is TlsFault.REFUSED:  # in TLS 1.2 a server says no more than this of either
        shown = place.shows_certificate
        cause = Cause.TLS_NOTHING_IN_COMMON if shown else Cause.TLS_CERTIFICATE_WANTED
    return _of_its_certificate(cause, place) or _of_others(cause, fault, place)


def _of_its_certificate(cause: Cause, place: Place) -> Wrong | None:
    it = f"{place.host}:{place.port}"
    if cause is Cause.TLS_UNKNOWN_AUTHORITY:
        return Wrong(
            cause,
            Side.OURS,
            f"the certificate of {it} is signed by an authority that we do not trust",
            f"{place.ca_file}: name a file (PEM) with the certificate of that authority, or with its own"
            " where it signed itself; its administrator has it",
        )
    if cause is Cause.TLS_WRONG_NAME:
        return Wrong(
            cause,
            Side.THEIRS,
            f"the certificate of {it} is not for {place.name}",
            f"there: have one made with {place.name} among its alternative names (SAN)",
            f"or here: say the name that is in it in {place.naming or 'the place of the address'}",
        )
    if cause in {Cause.TLS_EXPIRED, Cause.TLS_NOT_YET_VALID}:
        when = "has expired" if cause is Cause.TLS_EXPIRED else "is not valid yet"
        return Wrong(
            cause,
            Side.THEIRS,
            f"the certificate of {it} {when}, by the clock of this machine",
            "there: put a new certificate in its place",
            "if it should hold: see that the clock here is right (timedatectl)",
        )
    return None


def _of_others(cause: Cause, fault: TlsFault, place: Place) -> Wrong:
    it = f"{place.host}:{place.port}"
    if cause is Cause.TLS_NOT_SPOKEN:
        return Wrong(
            cause,
            Side.OURS,
            f"we speak TLS with {it}, and it answers in clear",
            place.without,
            "or give the port on which it speaks TLS, or have TLS set up there",
        )
    if cause is Cause.TLS_CERTIFICATE_WANTED:
        advice = "there: ask clients for no certificate; there is no setting for one here"
        if place.certificate_file is not None:
            advice = (
                f"{place.certificate_file}, and the key_file beside it: name a certificate that is signed by"
                " an authority that it trusts"
            )
        return Wrong(cause, Side.OURS, f"{it} wants a certificate of ours, and we show none", advice)
    if cause is Cause.TLS_CERTIFICATE_REFUSED:
        return Wrong(
            cause,
            Side.THEIRS,
            f"{it} does not take our certificate",
            f"there: trust the authority that signed what {place.certificate_file} names",
            f"or here: name in {place.certificate_file} a certificate that it trusts, and that still holds",
        )
    if cause is Cause.TLS_NOTHING_IN_COMMON:
        return Wrong(
            cause,
            Side.THEIRS,
            f"{it} speaks no version of TLS, or no cipher suite, that we do",
            "there: allow TLS 1.2 or 1.3 with ECDHE and AES-GCM (BCP 195; PS3.15 B.12)",
        )
    return Wrong(
        cause,
        Side.THEIRS,
        f"TLS with {it} fails: {fault.value.replace('-', ' ')}",
        "see the log there: it knows why it ended the handshake",
        f"openssl s_client -connect {it} shows what it says",
    )
