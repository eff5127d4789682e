"""User identity, and the last word on an association, where upstream has neither as the standard does.

pynetdicom rejects whoever is not known for now, though the standard says for good; it sends no positive
response for a user name (PS3.7 D.3.3.7); and a handler can reject nobody but who shows an identity.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from pynetdicom import evt
from pynetdicom.pdu_primitives import UserIdentityNegotiation

if TYPE_CHECKING:
    from pynetdicom.association import Association

Reject = tuple[int, int, int]
"""Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""
_NO_TICKET: Final = b""
"""The server response: empty for user names, and we have no token of ours to give."""


class IdentityType(IntEnum):
    """What the identity is (PS3.7 Table D.3-14)."""

    USER_NAME = 1
    USER_NAME_AND_PASSCODE = 2
    KERBEROS = 3
    SAML = 4
    JSON_WEB_TOKEN = 5


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """What an A-ASSOCIATE-RQ says of its user (PS3.7 D.3.3.7.1); it is a secret."""

    kind: int
    """An `IdentityType`, or what the standard does not know."""
    primary: bytes = field(repr=False)
    """The user name, or the token."""
    secondary: bytes = field(repr=False)
    """The passcode."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What becomes of a request."""

    reject: Reject | None
    """None: it is accepted, or negotiated at least."""
    is_identified: bool
    """Whether its user is who he says, so that there is a positive response to who wants one."""


def judge_association(association: "Association", judge: Callable[[UserIdentity | None], Judged]) -> None:
    """Have a request that came judged before it is negotiated, in the association's own thread.

    Args:
        association: an acceptor that is about to run.
        judge: given the identity of the user, where there is one.
    """
    acse = association.acse
    negotiate = acse._negotiate_as_acceptor
    is_identified = False

    def judged() -> None:
        nonlocal is_identified
        request = association.requestor.user_identity
        identity = None
        if request is not None:
            kind = request.user_identity_type or 0
            identity = UserIdentity(kind, request.primary_field or b"", request.secondary_field or b"")
        verdict = judge(identity)
        is_identified = verdict.is_identified
        if verdict.reject is None:
            negotiate()
            return
        acse.send_reject(*verdict.reject)
        evt.trigger(association, evt.EVT_REJECTED, {})
        association.kill()

    def identified() -> tuple[bool, UserIdentityNegotiation | None]:
        request = association.requestor.user_identity
        if request is None or not (is_identified and request.positive_response_requested):
            return True, None
        response = UserIdentityNegotiation()
        response.server_response = _NO_TICKET
        return True, response

    acse._negotiate_as_acceptor = judged  # type: ignore[method-assign]  # what its thread calls
    acse._check_user_identity = identified  # type: ignore[method-assign]  # what that calls
