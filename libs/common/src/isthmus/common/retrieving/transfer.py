"""The repair: what is listed and has not come is asked for again.

What arrived is compared with what the origin lists, whatever the status, and the rest is asked for in one way
after the other: each way that there is, as far as it makes sense. This is the one place where
anything is tried again.
"""

from collections.abc import Iterable, Iterator, Sequence

from isthmus.common.errors import OriginError
from isthmus.common.messages import Retrieve
from isthmus.common.retrieving.ask import Ask
from isthmus.common.retrieving.attempt import Attempt, Ending
from isthmus.common.retrieving.delivery import Delivery
from isthmus.common.retrieving.listing import Listed, lacking
from isthmus.common.retrieving.patience import InstancesFailed, may_pass
from isthmus.common.retrieving.source import Pull
from isthmus.common.retrieving.wording import by_series, is_not_understood


class Transfer:
    """Brings what an origin lists into a delivery."""

    def __init__(
        self,
        steps: Sequence[Pull],
        wanted: Retrieve,
        expected: Iterable[Listed],
        delivery: Delivery,
        *,
        timeout: float,
        asked_whole: Iterable[str] = (),
        silent: bool = False,
    ) -> None:
        """Prepare.

        Args:
            steps: the ways of retrieving, in their order.
            wanted: the job.
            expected: what shall come, whether it has or not.
            delivery: where it comes to.
            timeout: seconds without an instance, after which nothing more is tried again.
            asked_whole: series that were already asked for as a whole, in the first way.
            silent: whether the origin gave no answer to that.
        """
        self._steps = steps
        self._wanted = wanted
        self._expected = list(expected)
        self._delivery = delivery
        self._timeout = timeout
        self._asked_whole = frozenset(asked_whole)
        self._given_up = {steps[0].method} if silent else set()
        self._refusals: dict[str, dict[str, OriginError]] = {step.method: {} for step in steps}

    def missing(self) -> list[Listed]:
        """Give what is listed and has not arrived."""
        return lacking(self._expected, self._delivery.received)

    @property
    def refused(self) -> dict[str, OriginError]:
        """What did not come when it was asked for alone, by any method, and why, by SOP Instance UID.

        What a last resort has brought is none of it. Where nothing at all has come, an answer that may pass
        by itself says nothing of what was asked for.
        """
        first, *others = self._refusals.values()
        return {
            uid: error
            for uid, error in first.items()
            if uid not in self._delivery.received
            and all(uid in other for other in others)
            and (self._delivery.received or isinstance(error, InstancesFailed) or not may_pass(error))
        }

    async def run(self) -> OriginError | None:
        """Pull what lacks; give the last failure where something lacks in the end.

        Raises:
            OriginCancelled: the job was cancelled.
            UnavailableError: a part of ours failed.
        """
        failure: OriginError | None = None
        for step in self._steps:
            missing = self.missing()
            if not missing:
                return None
            if step.method in self._given_up:
                continue
            attempt = Attempt(step, self._wanted, self._delivery, self._timeout)
            failure = await attempt.run(self._first_asks(step, missing)) or failure
            if attempt.ending is Ending.AWAY:
                break
            if attempt.ending is Ending.BROKEN or is_not_understood(failure):
                self._given_up.add(step.method)
            if not step.last_resort:
                self._refusals[step.method].update(attempt.refused)
        return failure if self.missing() else None

    def _first_asks(self, step: Pull, missing: list[Listed]) -> Iterator[Ask]:
        """Ask for a whole series of which nothing has come, if it was not asked for in this way before."""
        there = by_series(self._expected)
        for series, lacks in by_series(missing).items():
            groups = list(step.associations(lacks))
            asked = step is self._steps[0] and series in self._asked_whole
            whole = len(lacks) == len(there[series]) > 1 and not asked
            # What is listed under a cut UID cannot be asked for by it.
            cut = any(one.count > 1 for one in lacks)
            if (whole or cut) and len(groups) == 1 and not step.last_resort:
                yield Ask.for_series(self._wanted.study, series, lacks)
                continue
            for group in groups:
                yield from Ask.by_uids(self._wanted.study, group)
