"""What sends the requests: httpx2, without anything that it takes from the environment or keeps by itself."""

import ssl
from http.cookiejar import DefaultCookiePolicy
from typing import Final

import httpcore2
import httpx2

from isthmus.common.config import DicomwebOrigin

CONNECT_SHARE: Final = 1 / 3
"""Of the time-out: for TCP, and again for TLS. So httpcore2 ends these by itself: of whoever is cancelled in
the middle of a TLS handshake it leaves the connection open."""
IDLE_SECONDS: Final = 15.0
"""For which an unused connection stays."""
PIECE_BYTES: Final = 256 * 1024
"""Read at one time, of what has come: each read passes through half a dozen layers. httpcore2 takes 64 KiB;
asyncio gives up to 256, of which the rest would be copied again at each read."""

# There is no setting for it.
httpcore2.AsyncHTTP11Connection.READ_NUM_BYTES = PIECE_BYTES
httpcore2.AsyncHTTP2Connection.READ_NUM_BYTES = PIECE_BYTES


def lane_client(origin: DicomwebOrigin, tls: ssl.SSLContext, to_proxy: ssl.SSLContext) -> httpx2.AsyncClient:
    """Make a client with one connection, to the origin.

    Args:
        origin: its settings.
        tls: whom it trusts, and who it is.
        to_proxy: the same towards a proxy, which does not learn who we are.
    """
    return _client(origin, tls, to_proxy, most=1, http2=origin.http2)


def elsewhere_client(origin: DicomwebOrigin, tls: ssl.SSLContext) -> httpx2.AsyncClient:
    """Make a client for where the origin sends us, and for tokens.

    Over HTTP/1.1, where a connection has one request at a time; why, is said in `lanes`.
    """
    return _client(origin, tls, tls, most=None, http2=False)


def _client(
    origin: DicomwebOrigin, tls: ssl.SSLContext, to_proxy: ssl.SSLContext, *, most: int | None, http2: bool
) -> httpx2.AsyncClient:
    seconds = origin.timeout_seconds
    http = httpx2.AsyncClient(
        verify=tls,
        http2=http2,
        proxy=_proxy(origin, to_proxy),
        trust_env=False,
        follow_redirects=False,
        limits=httpx2.Limits(
            max_connections=most, max_keepalive_connections=most, keepalive_expiry=IDLE_SECONDS
        ),
        timeout=httpx2.Timeout(seconds, connect=seconds * CONNECT_SHARE),
        headers={"User-Agent": "Isthmus"},
    )
    http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return http


def _proxy(origin: DicomwebOrigin, tls: ssl.SSLContext) -> httpx2.Proxy | None:
    if origin.proxy is None:
        return None
    return httpx2.Proxy(origin.proxy, ssl_context=tls if origin.proxy.startswith("https:") else None)
