"""What a request says of who sends it, before anybody believes it."""

import base64
import binascii
import hmac
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote

from starlette.requests import HTTPConnection
from starlette.types import Scope

from isthmus.common.auth import links
from isthmus.common.auth.certificates import subject_in
from isthmus.common.dicomweb.resource import LINKS, LINKS_PATH
from isthmus.common.errors import InvalidParameter, Unauthenticated

GATEWAY: Final = "Isthmus-Gateway"
"""The header with the secret that the gateway and we share."""
CLIENT_CERTIFICATE: Final = "Isthmus-Client-Certificate"
"""The header with the client certificate that the gateway has verified: base64 of its DER."""
FORWARDED_FOR: Final = "X-Forwarded-For"
LONGEST: Final = 32 * 1024
"""Of a header with a credential, in characters."""
_PARAMETER: Final = links.PARAMETER.encode()


@dataclass(frozen=True, slots=True)
class Credential:
    """What somebody shows; it is a secret."""

    text: str
    name: str | None = None
    """Of Basic (RFC 7617), what is in front of the colon; None: it came as a bearer's (RFC 6750)."""

    def __repr__(self) -> str:
        """Show nothing of it."""
        return "Credential(...)"


@dataclass(frozen=True, slots=True)
class Peer:
    """From where a request comes."""

    address: str
    """An IP address; empty where it is not known."""
    certificate: str = ""
    """The subject of the client certificate, if there was one."""


def peer_of(connection: HTTPConnection, gateway_secret: str | None) -> Peer:
    """Tell from where a request comes: what headers say of it counts if the gateway says it.

    Args:
        connection: the request.
        gateway_secret: what the gateway shows us; None where there is no gateway of ours.
    """
    shown = connection.headers.get(GATEWAY, "").encode("latin-1")
    if gateway_secret is None or not hmac.compare_digest(shown, gateway_secret.encode()):
        return Peer(connection.client.host if connection.client else "")
    # The gateway is the last that has handed it on: what stands before is what a client says.
    forwarded = connection.headers.getlist(FORWARDED_FOR) or [""]
    certificate = connection.headers.get(CLIENT_CERTIFICATE, "")
    return Peer(
        _address(forwarded[-1].rpartition(",")[2].strip()), subject_in(certificate) if certificate else ""
    )


def credential_of(connection: HTTPConnection) -> Credential | None:
    """Give the credential of a request, of the header Authorization or the parameter `link`; None without.

    Raises:
        InvalidParameter: there are two.
        Unauthenticated: it cannot be read, or is of a scheme that is not ours; quotes nothing of it.
    """
    headers = connection.headers.getlist("Authorization")
    shown = connection.scope.get(LINKS, ())
    if len(headers) > 1:
        raise InvalidParameter("Authorization", "is there twice")
    if len(shown) > 1:
        raise InvalidParameter(links.PARAMETER, "is there twice")
    if headers and shown:
        raise InvalidParameter(links.PARAMETER, "is there beside Authorization: show one credential")
    if shown:
        return _link(shown[0])
    return _authorization(headers[0]) if headers else None


def take_links(scope: Scope) -> None:
    """Take links out of the URL of a request, so that nobody hands them on or writes them down.

    They are in the parameter `link` of its query, or in a path `/links/{link}/...`, which goes.
    """
    shown = []
    path, query = scope["path"], scope["query_string"]
    if path.startswith(LINKS_PATH):
        link, slash, rest = path.removeprefix(LINKS_PATH).partition("/")
        shown.append(link)
        scope["path"] = slash + rest or "/"
    if _PARAMETER in query or b"%" in query:
        pairs = query.split(b"&")
        shown += [unquote(pair.partition(b"=")[2].decode("latin-1")) for pair in pairs if _is_link(pair)]
        scope["query_string"] = b"&".join(pair for pair in pairs if not _is_link(pair))
    if shown:
        scope[LINKS] = shown
        scope.pop("raw_path", None)  # it may have either


def _is_link(pair: bytes) -> bool:
    return unquote(pair.partition(b"=")[0].decode("latin-1")) == links.PARAMETER


def _link(text: str) -> Credential:
    """Take links alone: what opens more, and for longer, has no place in a URL, where others find it."""
    if not text.startswith(links.PREFIX):
        raise Unauthenticated("The parameter link holds no link", error="invalid_token")
    return Credential(text)


def _authorization(header: str) -> Credential:
    scheme, _, text = header.strip().partition(" ")
    scheme, text = scheme.lower(), text.strip()
    if scheme not in {"bearer", "basic"}:  # without a code, as for who shows nothing (RFC 6750 3.1)
        raise Unauthenticated("The scheme of the header Authorization is not ours")
    if len(text) > LONGEST:
        raise Unauthenticated("The credential is too long", error="invalid_token")
    if not text:
        raise Unauthenticated("The header Authorization holds no credential", error="invalid_token")
    return Credential(text) if scheme == "bearer" else _basic(text)


def _basic(text: str) -> Credential:
    try:
        name, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        name, colon, password = "", "", ""
    if not colon:
        raise Unauthenticated("The header Authorization cannot be read")
    return Credential(password, name)


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return ""
