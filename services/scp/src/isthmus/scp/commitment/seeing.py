"""Which studies whoever asks for commitment may know of: the others are as if they were not there."""

from collections.abc import Awaitable, Callable
from typing import Final

from isthmus.common.access.studies import Studies
from isthmus.common.auth import Right
from isthmus.scp.callers import Callers
from isthmus.scp.commitment.requests import CommitmentRequest

Sees = Callable[[str], Awaitable[bool]]
"""Tells of a Study Instance UID whether its instances may be committed to."""
_READING: Final = (Right.SEARCH, Right.RETRIEVE)


class Seeing:
    """What the rules say of it."""

    def __init__(self, callers: Callers, studies: Studies) -> None:
        """Prepare."""
        self._callers = callers
        self._studies = studies

    def of(self, request: CommitmentRequest) -> Sees:
        """Give what tells it of a request.

        Who may only store has brought what he names: he is told of it. Who may read some studies is told of
        those alone.
        """
        principal = request.principal
        permits = [] if principal is None else [self._callers.permits(principal, one) for one in _READING]
        found = [permit for one in permits if (permit := one.get(request.inbox)) is not None]

        async def sees(study: str) -> bool:
            for permit in found:
                if await self._studies.sees(permit, request.inbox, study):
                    return True
            return not found

        return sees
