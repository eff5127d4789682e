"""The second check: what comes over the bus is done only for whom a face of ours vouches, and who may.

A face has decided before; a worker checks that it did, and evaluates the rules itself. So who has nothing but
a service's password for NATS opens no origin with it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from nats.aio.msg import Msg

from isthmus.common.auth import Grants, Permit, Policy, Principal, Right, current_principal, current_right
from isthmus.common.auth.grants import HEADER, Granted
from isthmus.common.auth.policy import WHOLE
from isthmus.common.errors import Forbidden, Unauthenticated, UnknownOrigin
from isthmus.common.telemetry import get_logger

NO_GRANTS: Final = Grants(None, "")
"""Without a signing key: nothing is written, and nothing is asked for."""
NOT_ALLOWED: Final = "The rules do not allow it"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Guarded:
    """What it takes to be answered."""

    origin: str
    right: Right | None
    """None: any at all."""
    refusal: Callable[[Forbidden], object] | None = None
    """Makes the answer to whoever may not; without it there is none."""
    study: str | None = None
    """The Study Instance UID of what is asked for, where it is of one study."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is refused."""

    action: str
    """What was asked for: the beginning of its subject, such as `dicom.query`."""
    origin: str
    reason: str
    principal: Principal | None
    """On whose behalf, where a face of ours vouches for that."""


Record = Callable[[Refusal], Awaitable[None]]


class Gate:
    """Sees to it, for one connection, that messages carry grants, and that grants hold."""

    def __init__(self, grants: Grants = NO_GRANTS, policy: Policy | None = None) -> None:
        """Prepare.

        Args:
            grants: reads and writes the header.
            policy: the rules; without them there is no origin at which anybody but a service may do anything.
        """
        self.grants: Final = grants
        """Those of this connection; they seal what is kept on the bus, too."""
        self._policy = policy or Policy((), ())
        self.record: Record | None = None
        """Writes down what is refused, where the service does."""

    def header(self, right: Right | None, origin: str, payload: bytes, reply: str = "") -> dict[str, str]:
        """Give the header for a message that asks for something on behalf of `current_principal()`.

        Args:
            right: what it takes; None: whichever he was let in for, or has there.
            origin: at which origin.
            payload: the message.
            reply: where it is to be answered, if nowhere else: what was heard can then not be asked again by
                somebody else.
        """
        if right is None:
            right = current_right() or self._any_right(origin)
        return self.grants.header(right, origin, payload, reply)

    def _any_right(self, origin: str) -> Right:
        principal = current_principal()
        if principal is None:
            return Right.SEARCH
        theirs = (right for right in Right if origin in self._policy.permits(principal, right))
        return next(theirs, Right.SEARCH)

    def check(
        self,
        message: Msg,
        origin: str,
        right: Right | None,
        *,
        sent_at: float | None = None,
        study: str | None = None,
    ) -> Permit:
        """See that a message may ask for what it does, and give with which studies.

        Args:
            message: it.
            origin: at which origin.
            right: what it takes; None: whichever its sender was let in for, as long as he has it.
            sent_at: when it was sent (seconds since 1970), of one that may have waited; without it now.
            study: the Study Instance UID of what it asks for, where it is of one study: links are.

        Raises:
            Forbidden: no face of ours vouches for it, or the rules say otherwise here.
        """
        granted = self._granted(message, origin, sent_at)
        if granted is None:
            return WHOLE
        if right not in (None, granted.right):
            raise Forbidden("The grant of the message is for something else")
        try:
            permit = self._policy.require(granted.principal, granted.right, origin)
        except (Unauthenticated, UnknownOrigin):
            raise Forbidden(NOT_ALLOWED) from None
        if permit.study is not None and study not in (None, permit.study):
            raise Forbidden(NOT_ALLOWED)
        return permit

    def _granted(self, message: Msg, origin: str, sent_at: float | None) -> Granted | None:
        header = (message.headers or {}).get(HEADER)
        return self.grants.verify(header, origin, message.data, sent_at, message.reply)

    async def refused(
        self, message: Msg, action: str, origin: str, error: Forbidden, *, sent_at: float | None = None
    ) -> None:
        """Write down that `check` has refused a message: no client of ours is to be."""
        try:
            granted = self._granted(message, origin, sent_at)
        except Forbidden:
            granted = None
        principal = None if granted is None else granted.principal
        by = "" if granted is None else granted.service
        log.error("refused on the bus", action=action, origin=origin, reason=error.detail, vouched_by=by)
        if self.record is not None:
            await self.record(Refusal(action, origin, error.detail, principal))
