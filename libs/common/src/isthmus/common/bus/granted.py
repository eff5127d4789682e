"""The second check: what comes over the bus is done only for whom a face of ours vouches, and who may.

A face has decided before; a worker checks that it did, and evaluates the rules itself. So who has nothing but
a service's password for NATS opens no origin with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from nats.aio.msg import Msg

from isthmus.common.auth import Grants, Policy, Right, current_principal, current_right
from isthmus.common.auth.grants import HEADER
from isthmus.common.errors import Forbidden, Unauthenticated, UnknownOrigin

NO_GRANTS: Final = Grants(None, "")
"""Without a signing key: nothing is written, and nothing is asked for."""
_NOT_ALLOWED: Final = "The rules do not allow it"


@dataclass(frozen=True, slots=True)
class Guarded:
    """What it takes to be answered."""

    origin: str
    right: Right | None
    """None: any at all."""
    refusal: Callable[[Forbidden], object] | None = None
    """Makes the answer to whoever may not; without it there is none."""


class Gate:
    """Sees to it, for one connection, that messages carry grants, and that grants hold."""

    def __init__(self, grants: Grants = NO_GRANTS, policy: Policy | None = None) -> None:
        """Prepare.

        Args:
            grants: reads and writes the header.
            policy: the rules; without them there is no origin at which anybody but a service may do anything.
        """
        self._grants = grants
        self._policy = policy or Policy((), ())

    def header(self, right: Right | None, origin: str, payload: bytes) -> dict[str, str]:
        """Give the header for a message that asks for something on behalf of `current_principal()`.

        Args:
            right: what it takes; None: whichever he was let in for, or has there.
            origin: at which origin.
            payload: the message.
        """
        if right is None:
            right = current_right() or self._any_right(origin)
        return self._grants.header(right, origin, payload)

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
    ) -> None:
        """See that a message may ask for what it does.

        Args:
            message: it.
            origin: at which origin.
            right: what it takes; None: whichever its sender was let in for, as long as he has it.
            sent_at: when it was sent (seconds since 1970), of one that may have waited; without it now.
            study: the Study Instance UID of what it asks for, where it is of one study: links are.

        Raises:
            Forbidden: no face of ours vouches for it, or the rules say otherwise here.
        """
        header = (message.headers or {}).get(HEADER)
        granted = self._grants.granted(header, origin, message.data, sent_at)
        if granted is None:
            return
        if right not in (None, granted.right):
            raise Forbidden("The grant of the message is for something else")
        try:
            permit = self._policy.require(granted.principal, granted.right, origin)
        except (Unauthenticated, UnknownOrigin):
            raise Forbidden(_NOT_ALLOWED) from None
        if permit.study is not None and study not in (None, permit.study):
            raise Forbidden(_NOT_ALLOWED)
