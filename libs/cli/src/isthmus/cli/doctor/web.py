"""A DICOMweb origin: whether it is there, knows us, and answers a search as DICOMweb has it."""

from dataclasses import replace
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.clocks import Clocks
from isthmus.cli.doctor.findings import Side, Subject, Wrong
from isthmus.cli.doctor.network import Speaks, reach, speaks
from isthmus.cli.doctor.surroundings import Surroundings
from isthmus.cli.doctor.tls import Place, handshake
from isthmus.common.config import DicomwebOrigin
from isthmus.common.errors import (
    HttpOperationFailed,
    MalformedAnswer,
    OriginError,
    OriginTimeout,
    OriginUnreachable,
    SettingsError,
    TruncatedAnswer,
)
from isthmus.common.webclient import WebClient
from isthmus.common.webclient.client_credentials import ClientCredentials
from isthmus.common.webclient.tls import tls_context
from isthmus.common.webclient.transport import elsewhere_client

_NOT_THERE: Final = frozenset(
    {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE, HTTPStatus.BAD_REQUEST}
)
"""What the simplest search is answered with by a server that has it elsewhere; 400: by Orthanc's own API."""
_PATHS: Final = (
    "Orthanc: http://HOST:8042/dicom-web (its DICOMweb plugin, DicomWeb.Root)",
    "dcm4chee: https://HOST:8443/dcm4chee-arc/aets/DCM4CHEE/rs",
)


async def examine_server(
    subject: Subject, origin: DicomwebOrigin, around: Surroundings, clocks: Clocks
) -> None:
    """Look at a DICOMweb server.

    Raises:
        Ended: something is wrong with it on which all else depends.
    """
    place, patience = around.place(origin.name), around.patience
    try:
        context = tls_context(origin, identified=True)
    except SettingsError:
        subject.unclear("connection", "a file that its settings name cannot be used: see settings")
        return
    first = origin.proxy or origin.url
    await reach(
        subject, *_address(first), patience.connect, where=f"{place}.{'proxy' if origin.proxy else 'url'}"
    )
    if origin.proxy is None:
        if origin.url.startswith("https:"):
            with subject.step("TLS"):
                await handshake(_place(origin, place, origin.url), context, patience.connect)
        await clocks.ask(subject.name, origin.url, patience.connect, context)
    seconds = min(origin.timeout_seconds, patience.answer)
    hurried = origin.model_copy(update={"timeout_seconds": seconds})
    if origin.oauth2 is not None:
        where, url = f"{place}.oauth2.token_url", origin.oauth2.token_url
        if origin.proxy is None:
            await reach(subject, *_address(url), patience.connect, where=where)
            if url.startswith("https:"):
                with subject.step("TLS of the token endpoint"):
                    there = replace(
                        _place(origin, place, url),
                        certificate_file=None,
                        shows_certificate=False,
                        without=f"{where}: write the address at which it speaks TLS",
                    )
                    await handshake(there, tls_context(origin, identified=False), patience.connect)
        with subject.step("token"):
            await _token(hurried, place)
    with subject.step("search") as note:
        try:
            async with WebClient(hurried) as client:
                await client.get_json("studies", [("limit", "1")])
        except OriginError as error:
            raise await _why(error, origin, place, patience.connect) from None
        note.detail = "it answers in DICOM JSON"


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _place(origin: DicomwebOrigin, place: str, url: str) -> Place:
    host, port = _address(url)
    return Place(
        host,
        port,
        name=host,
        ca_file=f"{place}.ca_file",
        certificate_file=f"{place}.certificate_file",
        shows_certificate=origin.certificate_file is not None,
        without=f"{place}.url: begin it with http:// where it may be in clear",
    )


async def _token(origin: DicomwebOrigin, place: str) -> None:
    assert origin.oauth2 is not None  # noqa: S101  # who calls has looked
    try:
        async with elsewhere_client(origin, tls_context(origin, identified=False)) as http:
            await ClientCredentials(origin, origin.oauth2, http).authorization()
    except OriginTimeout:
        raise Wrong(
            Cause.SERVER_SILENT,
            Side.THEIRS,
            f"the token endpoint of {origin.name} takes the connection, and does not answer in time",
            "see in its log what it does with the request",
            f"if it is another: correct {place}.oauth2.token_url",
        ) from None
    except OriginError as error:
        raise Wrong(
            Cause.TOKEN_REFUSED,
            Side.OURS,
            f"no token is to be had for {origin.name}: {error.detail}",
            f"{place}.oauth2: see that client_id, the secret in client_secret_file, and scope are those that"
            " the token endpoint knows, and that token_url is its own",
        ) from None


async def _why(error: OriginError, origin: DicomwebOrigin, place: str, seconds: float) -> Wrong:
    host, port = _address(origin.url)
    in_clear = origin.proxy is None and not origin.url.startswith("https:")
    answered_oddly = isinstance(error, MalformedAnswer | OriginUnreachable) or (
        isinstance(error, HttpOperationFailed) and error.http_status == HTTPStatus.BAD_REQUEST
    )
    if in_clear and answered_oddly and await speaks(host, port, seconds) in {Speaks.TLS, Speaks.HTTPS}:
        return Wrong(
            Cause.SPEAKS_TLS,
            Side.OURS,
            f"{host}:{port} speaks TLS, and we speak in clear",
            f"{place}.url: begin it with https://",
        )
    if isinstance(error, HttpOperationFailed):
        return _of_status(error, origin, place)
    if isinstance(error, OriginTimeout):
        return Wrong(
            Cause.SERVER_SILENT,
            Side.THEIRS,
            f"{origin.url} takes the connection, and does not answer a search in time",
            "see in its log what it does with the request",
            f"if it is only slow: raise {place}.timeout_seconds",
        )
    if isinstance(error, TruncatedAnswer):
        return Wrong(
            Cause.SERVER_FAILS,
            Side.THEIRS,
            f"{origin.url} breaks off in the middle of an answer",
            "see in its log, and in that of a proxy before it, why",
        )
    if isinstance(error, MalformedAnswer):
        return Wrong(
            Cause.NOT_DICOMWEB,
            Side.OURS,
            f"{origin.url} answers, but not as DICOMweb: {error.detail}",
            f"{place}.url: write where its DICOMweb resources begin: studies comes after it",
            *_PATHS,
            "if it is a login page: it wants credentials of another kind than those that are set",
        )
    return _unreachable(error, origin, place)


def _of_status(error: HttpOperationFailed, origin: DicomwebOrigin, place: str) -> Wrong:
    status = error.http_status
    if status == HTTPStatus.UNAUTHORIZED:
        return Wrong(
            Cause.NOT_AUTHENTICATED,
            Side.OURS,
            f"{origin.url} does not know us (401)",
            _credentials(origin, place),
        )
    if status == HTTPStatus.FORBIDDEN:
        return Wrong(
            Cause.FORBIDDEN,
            Side.THEIRS,
            f"{origin.url} knows us, and does not let us search (403)",
            "there: give the account that we use the right to search, retrieve and, if need be, store",
        )
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return _unreachable(error, origin, place)
    if status in _NOT_THERE:
        return Wrong(
            Cause.WRONG_PATH,
            Side.OURS,
            f"{origin.url}/studies is not there, or is no search ({status})",
            f"{place}.url: write where the DICOMweb resources begin: studies comes after it",
            *_PATHS,
        )
    return Wrong(
        Cause.SERVER_FAILS,
        Side.THEIRS,
        f"{origin.url} fails at a search: {error.detail}",
        "see in its log, and in that of a proxy before it, why",
    )


def _credentials(origin: DicomwebOrigin, place: str) -> str:
    if origin.user is not None:
        return f"{place}: see that user and the password in password_file are those that it knows"
    if origin.token_file is not None:
        return f"{place}.token_file: put a token in it that has not expired and is for this server"
    if origin.oauth2 is not None:
        return (
            f"{place}.oauth2.scope: the token that is given is not for this server: ask which scope it wants"
        )
    return f"{place}: say who we are: user and password_file, token_file, or [origins.oauth2]"


def _unreachable(error: OriginError, origin: DicomwebOrigin, place: str) -> Wrong:
    if origin.proxy is not None:
        return Wrong(
            Cause.PROXY_REFUSES,
            Side.THEIRS,
            f"the proxy makes no connection to {origin.url}: {error.detail}",
            "at the proxy: allow connections to this host and port",
            f"{place}.proxy: it may want a user and a password: http://USER:PASSWORD@HOST:PORT",
        )
    return Wrong(
        Cause.SERVER_FAILS,
        Side.THEIRS,
        f"{origin.url} takes the connection, and does not answer: {error.detail}",
        "see in its log, and in that of a proxy before it, why",
    )
