"""NATS: whether it is there, knows us, and has JetStream with room for more."""

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

import nats.errors
from nats.js import JetStreamContext
from nats.js.api import StreamConfig
from nats.js.errors import APIError, NoStreamResponseError

from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.findings import Side, Subject, Unclear, Wrong
from isthmus.cli.doctor.named import unusable
from isthmus.cli.doctor.network import Speaks, reach, speaks
from isthmus.cli.doctor.surroundings import Surroundings
from isthmus.cli.doctor.tls import Place, no_tls
from isthmus.common.bus import accounts, streams
from isthmus.common.bus.connection import Connection, ServerWithoutTls, tls_context
from isthmus.common.config.kinds import host_and_port
from isthmus.common.config.settings import Nats
from isthmus.common.dimse.tls_fault import TlsFault, fault_of
from isthmus.common.errors import SettingsError

LEAST_PAYLOAD: Final = 1024 * 1024
"""Bytes of a message that nats-server takes unless it is told otherwise; batches of matches need half."""
_USUAL_PORT: Final = 4222
_NOT_ENABLED: Final = frozenset({10039, 10076})
"""JetStream is not enabled for the account, or not at all."""
_FULL: Final = frozenset({10002, 10023, 10028, 10047, 10077})
"""Resource limits of the account or of the server are exceeded."""


def settings_of(around: Surroundings) -> Nats | None:
    """Give how NATS is reached: in the running system, or by the settings, if they name one."""
    if around.running is not None:
        return around.running.nats.settings
    return around.settings.nats if "nats" in around.settings.model_fields_set else None


async def examine_nats(subject: Subject, settings: Nats, around: Surroundings) -> None:
    """Look at NATS.

    Raises:
        Ended: something is wrong with it on which all else depends.
    """
    parts, seconds = urlsplit(settings.url), around.patience.connect
    host, port = parts.hostname or "", parts.port or _USUAL_PORT
    await reach(subject, host, port, seconds, where="nats.url")
    told: list[str] = []
    async with _connected(subject, settings, seconds, told) as client:
        with subject.step("size of messages") as note:
            _check_size(client, settings)
            note.detail = f"{client.max_payload} bytes at most"
        jetstream = client.jetstream(timeout=seconds)
        with subject.step("JetStream") as note:
            note.detail = await _look(jetstream, settings, told)
        with subject.step("storage") as note:
            note.detail = await _fill(jetstream, settings)


@asynccontextmanager
async def _connected(
    subject: Subject, settings: Nats, seconds: float, told: list[str]
) -> AsyncIterator[Connection]:
    client = Connection(needs_tls=settings.has_tls)

    async def failed(error: Exception) -> None:
        told.append(str(error).lower())

    with subject.step("login") as note:
        password, context = _files(settings)
        try:
            async with asyncio.timeout(seconds):
                await client.connect(
                    settings.url,
                    name="isthmus doctor",
                    user=settings.user or None,
                    password=password or None,
                    inbox_prefix=accounts.inbox_prefix(settings.user) if settings.user else "_INBOX",
                    tls=context,
                    connect_timeout=int(seconds) or 1,
                    allow_reconnect=False,
                    error_cb=failed,
                )
        except (TimeoutError, OSError, nats.errors.Error) as error:
            await client.close()
            raise _no_login(error, told, settings) or await _no_nats(settings, seconds) from None
        note.detail = f"it knows {settings.user}" if settings.user else "it lets everybody in"
    try:
        yield client
    finally:
        with suppress(nats.errors.Error):
            await client.close()


def _files(settings: Nats) -> tuple[str, ssl.SSLContext | None]:
    """Give what the files hold: the password, and what TLS needs."""
    try:
        context = tls_context(settings)
    except SettingsError as error:
        raise unusable(error.detail) from None
    try:
        return settings.secret, context
    except ValueError as error:
        raise unusable(f"nats.password_file: {settings.password_file}: {error}") from None


def _no_login(error: Exception, told: list[str], settings: Nats) -> Wrong | None:
    """Say what is wrong where the error tells."""
    parts = urlsplit(settings.url)
    host, port = parts.hostname or "", parts.port or _USUAL_PORT
    if "authorization violation" in " ".join([*told, str(error).lower()]):
        return Wrong(
            Cause.NATS_REFUSES_US,
            Side.OURS,
            f"NATS at {host}:{port} does not let {settings.user or 'nobody in particular'} in",
            "nats.user, and nats.password or nats.password_file: write those of a user that it has",
            "there: see the users in nats.conf, and the passwords in its environment",
        )
    place = Place(
        host,
        port,
        name=host,
        ca_file="nats.ca_file",
        certificate_file="nats.certificate_file",
        shows_certificate=settings.certificate_file is not None,
        without="nats.url: begin it with nats:// where it may be in clear",
    )
    if isinstance(error, ServerWithoutTls):
        return no_tls(TlsFault.NO_TLS, place)
    if isinstance(error, OSError) and settings.has_tls and not isinstance(error, TimeoutError):
        return no_tls(fault_of(error), place)
    if "tls" in " ".join([*told, str(error).lower()]):
        return Wrong(
            Cause.SPEAKS_TLS,
            Side.OURS,
            f"NATS at {host}:{port} speaks TLS, and we speak in clear",
            "nats.url: begin it with tls://, and name in nats.ca_file by what it is verified",
        )
    return None


async def _no_nats(settings: Nats, seconds: float) -> Wrong:
    """Say what is wrong by what listens there."""
    parts = urlsplit(settings.url)
    host, port = parts.hostname or "", parts.port or _USUAL_PORT
    heard = await speaks(host, port, seconds)
    if heard is Speaks.NATS:
        return Wrong(
            Cause.SERVER_FAILS,
            Side.THEIRS,
            f"NATS at {host}:{port} begins to talk, and does not let us connect",
            "see in the log of nats-server why: it may have as many connections as max_connections allows",
        )
    if heard is Speaks.NOTHING:
        return Wrong(
            Cause.SERVER_SILENT,
            Side.THEIRS,
            f"{host}:{port} takes the connection, and says nothing",
            "see whether nats-server hangs, or its machine has more to do than it can: its log tells",
            f"if {port} is not where it listens for clients (4222): correct nats.url",
        )
    return Wrong(
        Cause.NOT_NATS,
        Side.OURS,
        f"{host}:{port} is there, and does not answer as NATS",
        "nats.url: write where nats-server listens for clients (4222), not where it shows its state (8222)",
    )


def _check_size(client: Connection, settings: Nats) -> None:
    if client.max_payload < LEAST_PAYLOAD:
        raise Wrong(
            Cause.NATS_MESSAGES_TOO_SMALL,
            Side.THEIRS,
            f"NATS at {host_and_port(settings.url)} takes messages of at most {client.max_payload}"
            " bytes: answers to searches are larger",
            f"there, in nats.conf: max_payload: {LEAST_PAYLOAD}, or no such line",
        )


async def _look(jetstream: JetStreamContext, settings: Nats, told: list[str]) -> str:
    """See that JetStream is there for us; streams that lack are made by the services when they start."""
    try:
        if settings.user in accounts.SERVICES:
            await streams.declare(jetstream, may_change=False)  # what every service does at its start
            return "the streams are there"
        information = await jetstream.account_info()
        largest = max(await jetstream.streams_info(), key=lambda one: one.state.bytes, default=None)
    except (APIError, nats.errors.Error, TimeoutError) as error:
        raise _no_jetstream(error, settings, told) from None
    of_which = f", {largest.state.bytes} of them in {largest.config.name}" if largest is not None else ""
    return f"{information.streams} streams, {information.storage} bytes{of_which}"


def _no_jetstream(error: Exception, settings: Nats, told: list[str]) -> Wrong:
    refused = next(filter(None, map(accounts.refused, told)), None)
    if refused is not None:
        return Wrong(
            Cause.NATS_NOT_ALLOWED,
            Side.THEIRS,
            f"NATS does not let {settings.user or 'nobody in particular'} use {refused}",
            "there: give each user what compose/nats/nats.conf gives it (make docs writes it)",
            f"or here: nats.user: log in as the user of the service: {', '.join(sorted(accounts.SERVICES))}",
        )
    if isinstance(error, APIError) and error.err_code in _FULL:
        return _full(settings)
    is_off = isinstance(error, NoStreamResponseError | nats.errors.NoRespondersError)
    # What nobody answers nats-py gives as 503, without a code of JetStream's.
    if is_off or (isinstance(error, APIError) and error.err_code in {None, *_NOT_ENABLED}):
        return Wrong(
            Cause.NATS_WITHOUT_JETSTREAM,
            Side.THEIRS,
            f"NATS lets {settings.user or 'everybody'} in, and has no JetStream for him",
            "there, in nats.conf: jetstream { store_dir: ... }, and jetstream: enabled in the account",
        )
    detail = f"error {error.err_code or error.code}" if isinstance(error, APIError) else type(error).__name__
    return Wrong(
        Cause.NATS_WITHOUT_JETSTREAM,
        Side.THEIRS,
        f"JetStream does not answer: {detail}",
        "see in the log of nats-server why",
    )


async def _fill(jetstream: JetStreamContext, settings: Nats) -> str:
    """Write a message into a stream of our own, which is then deleted."""
    if settings.user in accounts.SERVICES:
        raise Unclear("a service's user may make no stream to try it")
    name = f"DOCTOR_{secrets.token_hex(8)}"
    try:
        await jetstream.add_stream(StreamConfig(name=name, subjects=[f"{name}.>"]))
        try:
            await jetstream.publish(f"{name}.try", b"x" * 1024)
        finally:
            with suppress(APIError, nats.errors.Error, TimeoutError):
                await jetstream.delete_stream(name)
    except (APIError, nats.errors.Error, TimeoutError) as error:
        if isinstance(error, APIError) and error.err_code in _FULL:
            raise _full(settings) from None
        raise Unclear(f"a stream to try it cannot be made: {type(error).__name__}") from None
    return "it takes a message"


def _full(settings: Nats) -> Wrong:
    return Wrong(
        Cause.NATS_STORAGE_FULL,
        Side.THEIRS,
        f"JetStream at {host_and_port(settings.url)} has no room: what arrives is refused",
        "there: make room on the disk of store_dir, or raise its limits: NATS_MAX_FILE in containers, else"
        " max_file_store and the account's max_file in nats.conf",
        "isthmus status shows what its queues hold; isthmus dead, what was given up and is kept",
    )
