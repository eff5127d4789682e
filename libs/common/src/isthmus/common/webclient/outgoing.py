"""A request before it is sent, and where a redirect leads it."""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final

import httpx2

GET: Final = "GET"
POST: Final = "POST"
REDIRECTS: Final = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)
_SAME_METHOD: Final = frozenset({HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT})
LAST_PORT: Final = 65535
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request; its body can be had again for each try."""

    method: str
    url: httpx2.URL = field(repr=False)
    headers: Mapping[str, str]
    is_long: bool = False
    """Whether instances pass, so that it may take minutes."""
    body: Callable[[], AsyncGenerator[bytes, None]] | None = field(default=None, repr=False)


def redirected(outgoing: Outgoing, status: int, location: str | None, home: httpx2.URL) -> Outgoing:
    """Follow a redirect (RFC 9110 15.4).

    Args:
        outgoing: the request that was answered with it.
        status: the status.
        location: the value of Location.
        home: the URL of the origin; what is stored goes nowhere else.

    Raises:
        ValueError: it leads to no URL, out of TLS, or takes what is stored elsewhere; says which.
    """
    try:
        url = outgoing.url.join(location or "").copy_with(username=None, password=None, fragment=None)
    except (httpx2.InvalidURL, ValueError):
        raise ValueError("leads to what is no URL") from None
    if not location or url.scheme not in _PORTS or not url.host or (url.port or 1) > LAST_PORT:
        raise ValueError("leads to what is no URL")
    if outgoing.url.scheme == "https" and url.scheme != "https":
        raise ValueError("leads out of TLS")
    if outgoing.method == POST:
        if status not in _SAME_METHOD:
            raise ValueError("makes a GET of a POST")
        if not is_at(url, home):
            raise ValueError("takes what is stored to another host")
    return replace(outgoing, url=url)


def is_at(url: httpx2.URL, home: httpx2.URL) -> bool:
    """Tell whether a URL is at the origin: the same scheme, host and port, or its host by TLS instead."""
    if url.host != home.host:
        return False
    if url.scheme == home.scheme:
        return _port(url) == _port(home)
    return (home.scheme, _port(home), url.scheme, _port(url)) == ("http", 80, "https", 443)


def _port(url: httpx2.URL) -> int:
    return url.port or _PORTS[url.scheme]
