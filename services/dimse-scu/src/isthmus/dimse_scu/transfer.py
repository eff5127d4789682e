"""Pulling the instances of a job: C-GET and C-MOVE, first whole, then what lacks (PS3.4 C.4.2, C.4.3).

Origins stop at the first instance that they cannot send, break off, or say success having sent nothing. So
what arrived is compared with what they list, whatever the status, and the rest is asked for again by its
UIDs; where that fails too, in halves, until what cannot be sent stands alone. Then the next method has its
turn, if there is one.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from isthmus.common.config import Origin, RetrieveMethod
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import (
    AssociationAborted,
    NoAcceptedContext,
    NotDelivered,
    OperationFailed,
    OriginCancelled,
    OriginError,
)
from isthmus.common.messages import Retrieve
from isthmus.dimse_scu.ask import Ask
from isthmus.dimse_scu.delivery import Delivery
from isthmus.dimse_scu.listing import Listed, Listing
from isthmus.dimse_scu.uids import LONGEST_UID

UIDS_AT_ONCE: Final = 200
"""Longest list of UIDs in one identifier."""
BARREN_AT_MOST: Final = 3
"""Broken associations in a row that brought nothing, after which a method is given up."""


class Pull(Protocol):
    """One method of retrieving."""

    async def __call__(self, ask: Ask) -> None:
        """Ask the origin, and return when all that it sent is in the delivery.

        Raises:
            OriginError: it failed; something may have come all the same.
            UnavailableError: a part of ours did; there is no use in going on.
        """

    def associations(self, instances: Sequence[Listed]) -> Iterable[Sequence[Listed]]:
        """Divide instances into those that one association can bring."""

    def cancel(self) -> None:
        """Send C-CANCEL for what runs."""


class Transfer:
    """Brings what an origin lists into a delivery."""

    def __init__(
        self,
        origin: Origin,
        pulls: Mapping[RetrieveMethod, Pull],
        wanted: Retrieve,
        listing: Listing,
        delivery: Delivery,
    ) -> None:
        self._origin = origin
        self._pulls = pulls
        self._wanted = wanted
        self._listing = listing
        self._delivery = delivery
        self.cancelled = False
        """Whether `cancel` was called."""

    def missing(self) -> list[Listed]:
        """Give what is listed and has not arrived."""
        return self._lacking(self._listing.values())

    async def run(self) -> OriginError | None:
        """Pull everything; give the last failure where something lacks in the end.

        Raises:
            OriginCancelled: `cancel` was called.
            UnavailableError: a part of ours failed.
        """
        failure: OriginError | None = None
        for method in self._origin.retrieve:
            lacking = self.missing()
            if lacking:
                failure = await self._pull_all(self._pulls[method], lacking) or failure
        return failure if self.missing() else None

    def cancel(self) -> None:
        """Send C-CANCEL for what runs; `run` then ends."""
        self.cancelled = True
        for pull in self._pulls.values():
            pull.cancel()

    async def _pull_all(self, pull: Pull, lacking: list[Listed]) -> OriginError | None:
        asks = deque(self._first_asks(pull, lacking))
        failure: OriginError | None = None
        barren = 0
        while asks:
            ask = asks.popleft()
            before = len(self._delivery.received)
            error = await self._pull(pull, ask)
            left = self._lacking(ask.instances)
            if not left:
                continue
            failure = error or self._not_delivered()
            if error is not None and not _is_about_what_was_asked(error):
                break
            barren = barren + 1 if len(self._delivery.received) == before else 0
            if barren >= BARREN_AT_MOST and isinstance(error, AssociationAborted):
                break
            asks.extendleft(reversed(list(self._next_asks(ask, left, error))))
        return failure

    async def _pull(self, pull: Pull, ask: Ask) -> OriginError | None:
        try:
            await pull(ask)
        except OriginCancelled:
            raise
        except OriginError as error:
            return error
        return None

    def _first_asks(self, pull: Pull, lacking: list[Listed]) -> Iterator[Ask]:
        """Ask for the whole by its own level where one association can bring it; else by UIDs."""
        groups = list(pull.associations(lacking))
        if len(groups) == 1 and len(lacking) == len(self._listing):
            yield Ask(self._level(), self._wanted, tuple(lacking))
            return
        for group in groups:
            yield from self._by_uids(group)

    def _next_asks(self, ask: Ask, left: list[Listed], error: OriginError | None) -> Iterator[Ask]:
        """Ask again for what did not come: once by UIDs, then in halves while the origin fails."""
        if ask.level is not Level.IMAGE or (self._wanted.instance is not None and not ask.again):
            yield from self._by_uids(left, again=True)
        elif error is None:
            # Success, and yet it did not come: once more, and no smaller parts of nothing.
            if not ask.again:
                yield from self._by_uids(left, again=True)
        elif len(left) > 1:
            middle = len(left) // 2
            yield from self._by_uids(left[:middle])
            yield from self._by_uids(left[middle:])
        elif len(ask.instances) > 1:
            yield from self._by_uids(left)

    def _by_uids(self, instances: Iterable[Listed], *, again: bool = False) -> Iterator[Ask]:
        by_series: dict[str, list[Listed]] = {}
        for listed in instances:
            by_series.setdefault(listed.series_instance_uid, []).append(listed)
        for group in by_series.values():
            for start in range(0, len(group), UIDS_AT_ONCE):
                yield Ask(Level.IMAGE, self._wanted, tuple(group[start : start + UIDS_AT_ONCE]), again)

    def _level(self) -> Level:
        if self._wanted.instance is not None:
            return Level.IMAGE
        return Level.STUDY if self._wanted.series is None else Level.SERIES

    def _lacking(self, instances: Iterable[Listed]) -> list[Listed]:
        received = self._delivery.received
        # Some origins list over-long UIDs cut to what the standard allows, and send them whole.
        cut = Counter(uid[:LONGEST_UID] for uid in received)

        def lacks(listed: Listed) -> bool:
            uid = listed.sop_instance_uid
            return uid not in received if len(uid) > LONGEST_UID else cut[uid] < listed.count

        return [listed for listed in instances if lacks(listed)]

    def _not_delivered(self) -> NotDelivered:
        return NotDelivered(
            "The origin said success, and did not send all it lists", origin=self._origin.name
        )


def _is_about_what_was_asked(error: OriginError) -> bool:
    """Tell whether asking for something else may fare better: not without a connection, nor in silence."""
    return isinstance(error, (OperationFailed, AssociationAborted, NotDelivered, NoAcceptedContext))
