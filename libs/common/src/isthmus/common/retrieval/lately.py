"""What is not worth doing again so soon."""

import time
from collections import OrderedDict
from typing import Final, Generic, TypeVar

K = TypeVar("K")

_REMEMBERED: Final = 10_000


class Lately(Generic[K]):
    """What was done within the last seconds, by this process."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._done: OrderedDict[K, float] = OrderedDict()

    def done(self, key: K) -> bool:
        """Tell whether something was done lately; else take note that it is done now."""
        now = time.monotonic()
        before = self._done.get(key)
        if before is not None and now - before < self._seconds:
            return True
        self._done[key] = now
        self._done.move_to_end(key)
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)
        return False
