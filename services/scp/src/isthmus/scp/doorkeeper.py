"""The last word on whoever calls (PS3.7 D.3.3.7): who the user is, and whether an origin is what it says.

Both may take time, so it is said in the association's own thread, before anything is negotiated; and of a key
once more while the association lasts, for it may be revoked.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from ipaddress import ip_address
from time import monotonic
from typing import Final, Protocol

from isthmus.common.auth import Kind, Principal
from isthmus.common.config import DimseOrigin
from isthmus.common.config.networks import is_in
from isthmus.common.dimse.identified import IdentityType, Judged, UserIdentity
from isthmus.common.errors import Unauthenticated, UnavailableError
from isthmus.common.telemetry import get_logger
from isthmus.common.threads import LoopStopped, run_coroutine_from_thread
from isthmus.scp.admission import IDENTITY, IDENTITY_UNKNOWN_NOW, Admission, Rejection
from isthmus.scp.callers import Callers, Calling
from isthmus.scp.sender import Sender

AGAIN_SECONDS: Final = 1.0
"""Between two looks at whether a key holds still: nobody asks more often, however many instances come."""
ANSWER_SECONDS: Final = 15.0
"""For an identity provider that has to be asked for its keys first."""

log = get_logger(__name__)


class Authenticates(Protocol):
    """Tells whose a credential is; see `isthmus.common.access.authenticator`."""

    def authenticate_password(
        self, name: str, passcode: str, address: str
    ) -> Coroutine[object, object, Principal]:
        """Tell who shows a user name and a passcode."""

    def authenticate_token(self, token: str, address: str) -> Coroutine[object, object, Principal]:
        """Tell who shows a token."""


class Doorkeeper:
    """Judges the associations that the listener has let in so far."""

    def __init__(
        self,
        admission: Admission,
        callers: Callers,
        authenticator: Authenticates,
        loop: asyncio.AbstractEventLoop,
        decided: Callable[[Calling, Rejection | None, Principal], None],
    ) -> None:
        """Prepare.

        Args:
            admission: who may.
            callers: likewise, and the origins by their AE titles.
            authenticator: whose a credential is.
            loop: where that is asked.
            decided: is told of each decision, in the association's thread.
        """
        self._admission = admission
        self._callers = callers
        self._authenticator = authenticator
        self._loop = loop
        self._decided = decided

    def judge(self, sender: Sender, identity: UserIdentity | None) -> Judged:
        """Find out who calls, and tell whether he is let in; in the association's thread."""
        rejection, is_identified = self._identify(sender, identity)
        sender.sends_for = tuple(self._sending(sender))
        if rejection is None and not (sender.origin is None and sender.sends_for):
            rejection = self._admission.confirm(sender.principal, sender.origin)
        self._decided(sender.calling, rejection, sender.principal)
        if rejection is None:
            return Judged(None, is_identified)
        return Judged((rejection.result, rejection.source, rejection.reason), is_identified=False)

    def _identify(self, sender: Sender, identity: UserIdentity | None) -> tuple[Rejection | None, bool]:
        """Note who the user is, as far as he proves it; a name alone gives no right, and takes none.

        Without rules nobody is asked: whoever it is, he may do everything.
        """
        if identity is None or self._callers.is_open or identity.kind == IdentityType.USER_NAME:
            return None, False
        address = sender.calling.address
        asked = monotonic()
        try:
            asking = self._asking(identity, address)
            if asking is None:
                return IDENTITY.because(f"Nobody here can verify its type, {identity.kind}"), False
            principal = run_coroutine_from_thread(asking, self._loop, ANSWER_SECONDS)
        except Exception as error:  # noqa: BLE001 - the edge; a traceback might show what he has shown
            return _rejection(error), False
        ours = sender.principal
        sender.principal = replace(
            principal, address=address, ae_title=ours.ae_title, certificate=ours.certificate
        )
        sender.shown, sender.verified = identity, asked
        return None, True

    def still_holds(self, sender: Sender) -> bool:
        """Tell whether the key by which somebody is known holds still; in the association's thread.

        What else he may be known by has an end of its own, or none. While nobody can tell he goes on: what he
        asks for takes NATS too.
        """
        identity = sender.shown
        is_key = identity is not None and sender.principal.kind is Kind.KEY
        if identity is None or not is_key or monotonic() - sender.verified < AGAIN_SECONDS:
            return True
        asked = monotonic()
        asking = self._asking(identity, sender.calling.address)
        try:
            if asking is not None:
                run_coroutine_from_thread(asking, self._loop, ANSWER_SECONDS)
        except Unauthenticated:
            return False
        except (UnavailableError, TimeoutError, LoopStopped):
            return True
        sender.verified = asked
        return True

    def _asking(self, identity: UserIdentity, address: str) -> Coroutine[object, object, Principal] | None:
        """Begin to ask; None of what nobody here can verify: Kerberos tickets, SAML assertions."""
        primary = identity.primary.decode()
        if identity.kind == IdentityType.USER_NAME_AND_PASSCODE:
            passcode = identity.secondary.decode()
            return self._authenticator.authenticate_password(primary, passcode, address)
        if identity.kind == IdentityType.JSON_WEB_TOKEN:
            return self._authenticator.authenticate_token(primary, address)
        return None

    def _sending(self, sender: Sender) -> Iterable[str]:
        """Give the origins as which somebody may send what a C-MOVE of ours asked for."""
        if sender.origin is not None:
            return
        for origin in self._callers.pacs_of(sender.calling_ae_title):
            if (
                self._callers.is_open
                or _is_certified(origin, sender.calling)
                or _is_at(origin, sender.calling)
            ):
                yield origin.name


def _rejection(error: Exception) -> Rejection:
    """Tell whether an identity that is not verified is none for good, or for now, and why."""
    match error:
        case Unauthenticated():
            return IDENTITY.because(error.detail)
        case UnicodeDecodeError():
            return IDENTITY.because("It is no UTF-8")
        case UnavailableError():
            return IDENTITY_UNKNOWN_NOW.because(error.detail)
        case TimeoutError() | LoopStopped():
            return IDENTITY_UNKNOWN_NOW.because("No answer in time")
    log.error("user identity not verified", error=type(error).__name__)
    return IDENTITY_UNKNOWN_NOW.because("An error of ours")


def _is_certified(origin: DimseOrigin, calling: Calling) -> bool:
    """Tell whether somebody has a certificate for where an origin is, or for the name that it has in TLS."""
    name = origin.host if origin.tls is None else origin.tls.server_name or origin.host
    named = {one.casefold() for one in calling.certificate_names}
    return f"dns:{name}".casefold() in named or f"ip:{name}".casefold() in named


def _is_at(origin: DimseOrigin, calling: Calling) -> bool:
    """Tell whether somebody calls from where an origin is; its name is looked up anew, for it may move."""
    try:
        addresses = {str(ip_address(origin.host))}
    except ValueError:
        try:
            addresses = {str(info[4][0]) for info in socket.getaddrinfo(origin.host, None)}
        except OSError:
            log.warning("the address of an origin is not known", origin=origin.name)
            return False
    return any(is_in(calling.address, address.partition("%")[0]) for address in addresses)
