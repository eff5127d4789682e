"""One way of retrieving, tried on what lacks.

Origins stop at the first instance that they cannot send, break off, or say success having sent nothing. So
what did not come is asked for by its UIDs, and where that fails too, in halves, until what cannot be sent
stands alone. What may pass by itself is waited for a little; a way that brings nothing is given up soon. What
an origin does not understand is asked for in other words.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum, auto
from typing import Final

from isthmus.common.dicom.levels import Level
from isthmus.common.errors import (
    AssociationAborted,
    CircuitOpen,
    HttpOperationFailed,
    MalformedAnswer,
    NoAcceptedContext,
    NotDelivered,
    OperationFailed,
    OriginCancelled,
    OriginError,
    OriginTimeout,
    OriginUnreachable,
    TruncatedAnswer,
)
from isthmus.common.messages import Retrieve
from isthmus.common.retrieving.ask import Ask
from isthmus.common.retrieving.delivery import Delivery
from isthmus.common.retrieving.listing import Listed, lacking
from isthmus.common.retrieving.patience import Patience, asked_to_wait, may_pass, was_turned_away
from isthmus.common.retrieving.source import Pull

BARREN_AT_MOST: Final = 3
"""Broken connections in a row that brought nothing, after which a way is given up."""
ALONE_AT_MOST: Final = 3
"""Instances in a row that did not come though asked for alone; one more, from the other end, then decides."""


_REFUSALS: Final = (OperationFailed, HttpOperationFailed, MalformedAnswer, NotDelivered, NoAcceptedContext)
"""What an origin that is there answers, when it is asked for what it does not send."""


class Ending(Enum):
    """How an attempt ended."""

    THROUGH = auto()
    """All was asked for, as far as that made sense."""
    BROKEN = auto()
    """The origin breaks off, or is silent, when it is asked by this method."""
    AWAY = auto()
    """The origin cannot be reached."""


class Attempt:
    """Asks in one way, until all has come or it is given up."""

    def __init__(self, pull: Pull, wanted: Retrieve, delivery: Delivery, timeout: float) -> None:
        self._pull = pull
        self._wanted = wanted
        self._delivery = delivery
        self._patience = Patience(timeout)
        self._asks: deque[Ask] = deque()
        self._barren = 0
        self._alone = 0
        self._sampling = False
        self._widened: set[Ask] = set()
        self.ending = Ending.THROUGH
        self.refused: dict[str, OriginError] = {}
        """What did not come when asked for alone, with all else in order, by SOP Instance UID."""
        self._suspects: dict[str, OriginError] = {}
        """The same, while it may be that nothing comes any more, whatever is asked for."""
        self._vain: set[str] = set()
        """The series of the suspects."""

    async def run(self, asks: Iterable[Ask]) -> OriginError | None:
        """Ask for all of it; give the last failure, if anything did not come the first time.

        Raises:
            OriginCancelled: the job was cancelled.
            UnavailableError: a part of ours failed.
        """
        self._asks.extend(asks)
        failure: OriginError | None = None
        while self._asks:
            ask = self._still_lacking(self._asks.popleft())
            if ask is None:
                self._sampling = False
                continue
            if not self._pull.wording.suits(ask):
                self._reword(ask, failure)
                continue
            before = len(self._delivery.received)
            error = await self._try(ask)
            came = len(self._delivery.received) > before
            if came:
                self._patience.came()
                self._barren = self._alone = 0
                self._sampling = False
                self._convict()
            left = self._lacking(ask.instances)
            if left:
                failure = error or NotDelivered(
                    "The origin said success, and did not send all it lists", origin=self._wanted.origin
                )
                if not self._pull.wording.suits(ask):
                    self._asks.appendleft(ask)
                    continue
                if not await self._goes_on(ask, left, failure, came=came):
                    return failure
        self._convict()
        return failure

    def _convict(self) -> None:
        """Take what did not come alone for refused: the origin is in order."""
        self.refused.update(self._suspects)
        self._suspects.clear()
        self._vain.clear()

    async def _try(self, ask: Ask) -> OriginError | None:
        try:
            await self._pull(ask)
        except OriginCancelled:
            raise
        except OriginError as error:
            await self._delivery.settle()
            return error
        await self._delivery.settle()
        return None

    def _reword(self, ask: Ask, failure: OriginError | None) -> None:
        """Ask for the same in words that the origin understands; once in those that ask for more."""
        wording = self._pull.wording
        news: list[Ask] = []
        for group in self._pull.associations(ask.instances):
            for one in wording.asks(self._wanted.study, group):
                if one.level is Level.IMAGE or one not in self._widened:
                    self._widened.add(one)
                    news.append(one)
        self._asks.extendleft(reversed(news))
        if not news and wording.allows_any and isinstance(failure, _REFUSALS):
            # It was asked for as nearly alone as can be.
            self._suspects.update({one.sop_instance_uid: failure for one in ask.instances})

    async def _goes_on(self, ask: Ask, left: list[Listed], error: OriginError, *, came: bool) -> bool:
        """Put the next asks in line; False if there is no use in any more."""
        self._barren += not came
        self.ending = self._ending(error)
        if self.ending is not Ending.THROUGH:
            return False
        if _is_alone(ask) and not was_turned_away(error):
            if not self._note(ask, error):
                return self._leaves_out(ask, error)
        elif not came and not await self._waits(error):
            self.ending = Ending.BROKEN
            return False
        self._asks.extendleft(reversed(list(self._next(ask, left, error, came=came))))
        if self._alone >= ALONE_AT_MOST and not self._sampling:
            self._sample()
        return True

    def _ending(self, error: OriginError) -> Ending:
        if isinstance(error, (OriginUnreachable, CircuitOpen)):
            return Ending.AWAY
        most = 1 if self._pull.last_resort else BARREN_AT_MOST
        broken = isinstance(error, (AssociationAborted, TruncatedAnswer)) and self._barren >= most
        return Ending.BROKEN if broken or isinstance(error, OriginTimeout) else Ending.THROUGH

    async def _waits(self, error: OriginError) -> bool:
        """Wait for what may pass by itself; False if there is no time left for it."""
        if self._pull.last_resort or not may_pass(error):
            return True
        return await self._patience.wait(asked_to_wait(error))

    def _note(self, ask: Ask, error: OriginError) -> bool:
        """Remember what stands alone and did not come; False if that settles it for all others too."""
        if isinstance(error, _REFUSALS):
            self._suspects[ask.instances[0].sop_instance_uid] = error
            self._vain.add(ask.instances[0].series_instance_uid)
        self._alone += 1
        return not self._sampling

    def _leaves_out(self, ask: Ask, error: OriginError) -> bool:
        """Ask no more for series that are offline; False if it may be the origin that is out of order."""
        if not (self._delivery.has_come and isinstance(error, NotDelivered)):
            return False
        asks = (ask, *self._asks)
        left = (one for each in asks for one in self._lacking(each.instances))
        self._suspects.update({one.sop_instance_uid: error for one in left if self._is_vain(one)})
        self._asks = deque(each for each in self._asks if not self._is_vain(each.instances[0]))
        self._convict()
        self._alone = 0
        self._sampling = False
        return True

    def _is_vain(self, one: Listed) -> bool:
        return one.series_instance_uid in self._vain

    def _sample(self) -> None:
        """Ask next for one from the other end: if that does not come either, nothing will."""
        lacks = self._lacking(self._asks[-1].instances) if self._asks else []
        if lacks:
            self._sampling = True
            self._asks.appendleft(self._ask_for(lacks[-1:]))

    def _next(self, ask: Ask, left: list[Listed], error: OriginError, *, came: bool) -> Iterator[Ask]:
        """Ask again for what did not come."""
        if isinstance(error, NoAcceptedContext):
            return  # smaller parts need the same contexts
        if was_turned_away(error) and not self._pull.last_resort:
            yield ask  # it was not even heard
        elif ask.level is not Level.IMAGE or (self._pull.last_resort and came):
            yield from Ask.by_uids(self._wanted.study, left)
        elif self._pull.last_resort and len(ask.instances) > 1:
            yield from (self._ask_for([one]) for one in left)
        elif len(left) > 1:
            middle = len(left) // 2
            yield self._ask_for(left[:middle])
            yield self._ask_for(left[middle:])
        elif len(ask.instances) > 1:
            yield self._ask_for(left)

    def _ask_for(self, instances: Sequence[Listed]) -> Ask:
        return Ask.for_instances(self._wanted.study, instances)

    def _still_lacking(self, ask: Ask) -> Ask | None:
        """Give an ask without what has come since it was put in line; None if that is all."""
        lacks = self._lacking(ask.instances)
        if not lacks or len(lacks) == len(ask.instances) or ask.level is not Level.IMAGE:
            return ask if lacks else None
        return self._ask_for(lacks)

    def _lacking(self, instances: Iterable[Listed]) -> list[Listed]:
        return lacking(instances, self._delivery.received)


def _is_alone(ask: Ask) -> bool:
    return ask.level is Level.IMAGE and len(ask.instances) == 1
