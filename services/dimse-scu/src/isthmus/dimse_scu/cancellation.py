"""Stopping what a job has under way at its origin."""

from collections.abc import Iterator
from contextlib import contextmanager

from isthmus.common.dimse import Association
from isthmus.common.errors import OriginCancelled


class Cancellation:
    """The associations on which a job's C-GET and C-MOVE operations run, and whether they shall stop."""

    def __init__(self) -> None:
        self._at_work: set[Association] = set()
        self.requested = False
        """Whether `request` was called: nothing more is asked for."""

    @contextmanager
    def of(self, association: Association) -> Iterator[None]:
        """Run an operation; called by DIMSE threads.

        Raises:
            OriginCancelled: the job is cancelled already.
        """
        self._at_work.add(association)
        try:
            if self.requested:
                raise OriginCancelled("Cancelled before it began", origin=association.peer.origin)
            yield
        finally:
            self._at_work.discard(association)  # it is free for others, whom no C-CANCEL of ours may reach

    def request(self) -> None:
        """Send C-CANCEL for all that runs."""
        self.requested = True
        for association in tuple(self._at_work):
            association.cancel()

    def heard(self) -> None:
        """Say that the origin is alive, though it says nothing on the association that asked (C-MOVE)."""
        for association in tuple(self._at_work):
            association.heard()
