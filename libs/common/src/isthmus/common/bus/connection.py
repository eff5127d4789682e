"""The client of NATS, where nats-py's own does otherwise than it says."""

import asyncio
import ssl
from contextlib import suppress
from typing import Any, Final

import nats.errors
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.js.errors import APIError

from isthmus.common.config.files import identify, verifying
from isthmus.common.config.settings import Nats
from isthmus.common.errors import SettingsError

FINISH_TIMEOUT: Final = 3.0
"""Seconds for what is on its way, or being answered, when nothing more is to come."""


class ServerWithoutTls(nats.errors.Error):
    """A server speaks no TLS that should, or somebody on the way says so."""


def reason(error: Exception) -> str:
    """Say why NATS does not do something; of what a server says nothing but that it knows us not.

    What else it says may name a subject, and that a study: of JetStream's errors the code tells which it is.
    """
    if isinstance(error, APIError):
        return f"JetStream error {error.err_code or error.code}"
    if "authorization violation" in str(error).lower():
        return "it refuses us: nats.user, or its password, is another one there"
    return type(error).__name__


def tls_context(settings: Nats) -> ssl.SSLContext | None:
    """Make the context for TLS with the server; None where none is spoken.

    Raises:
        SettingsError: a file cannot be read, or does not hold what it should; says which.
    """
    if not settings.has_tls:
        return None
    try:
        context = verifying(settings.ca_file)
        if settings.certificate_file is not None and settings.key_file is not None:
            identify(context, settings.certificate_file, settings.key_file)
    except ValueError as error:
        raise SettingsError(f"nats.{error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Connection(Client):
    """A connection whose `flush` is answered behind all that was sent, and may be given up.

    Args:
        needs_tls: whether nothing may be said to a server without TLS. nats-py would log in to one that does
            not ask for it, whatever its URL says.
    """

    def __init__(self, *, needs_tls: bool = False) -> None:
        super().__init__()
        self._needs_tls = needs_tls

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if initial_connection and self._needs_tls and not info.get("tls_required"):
            raise ServerWithoutTls("nats: the server speaks no TLS")
        await super()._process_info(info, initial_connection)

    async def flush(self, timeout: int = 10) -> None:
        """Wait until the server has done with what was sent; `Subscription.drain` stands on it.

        Raises:
            nats.errors.Error: the connection is closed, or no answer came in so many seconds.
        """
        # nats-py writes its PING at once, and what was sent before when its flusher comes to that. When the
        # PING is answered the flusher has: another one goes behind it.
        for _ in range(2):
            await super().flush(timeout)

    async def _close(self, status: int, do_cbs: bool = True) -> None:
        """Close, and let go of what cannot be sent any more: nats-py would try, fail, and stop half-way."""
        if not self.is_connected:
            self._pending, self._pending_data_size = [], 0
        await super()._close(status, do_cbs)

    async def _process_pong(self) -> None:
        """Hear an answer that nobody waits for any more too: nats-py would end its reading at that."""
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()


async def drain(subscription: Subscription) -> None:
    """Take no more than the server has sent already, all of which is taken; at most for `FINISH_TIMEOUT`."""
    with suppress(nats.errors.Error, TimeoutError):
        async with asyncio.timeout(FINISH_TIMEOUT):
            await subscription.drain()  # type: ignore[no-untyped-call]  # nats-py has no annotation
