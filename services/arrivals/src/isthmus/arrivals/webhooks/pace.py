"""How soon something is tried again."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds, and how they grow."""

    first: float = 5.0
    """Until an event is tried the second time; each time it is twice as long."""
    longest: float = 900.0
    """Until an event is tried again, at most."""
    down_first: float = 1.0
    """For how long a receiver that does not answer is left alone; likewise."""
    down_longest: float = 60.0
    """At most: so soon is noticed that it is back."""
    look: float = 5.0
    """How often somebody looks whether a webhook that was stopped is to go on."""
    record: float = 1.0
    """How often the record of a webhook is written, at most."""
    jitter: Callable[[], float] = field(default=random.random)
    """Between 0 and 1."""

    def event(self, attempts: int) -> float:
        """Seconds until an event is tried again that has failed so often."""
        return self._spread(_doubled(self.first, attempts, self.longest))

    def receiver(self, failures: int) -> float:
        """Seconds for which a receiver is left alone that has not answered so often in a row."""
        return self._spread(_doubled(self.down_first, failures, self.down_longest))

    def _spread(self, seconds: float) -> float:
        """Take up to half of it away, lest all that failed together comes back together."""
        return seconds * (1 - self.jitter() / 2)


def _doubled(first: float, times: int, longest: float) -> float:
    return min(first * 2.0 ** min(max(times, 1) - 1, 32), longest)
