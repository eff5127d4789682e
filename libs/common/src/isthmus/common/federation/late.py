"""Which origins were late: nobody waits for those each time."""

import time
from collections.abc import Collection
from typing import Final, TypeVar

from isthmus.common.errors import OriginTimeout
from isthmus.common.federation.asking import Answers, Silence

T = TypeVar("T")

LEFT_ALONE_SECONDS: Final = 60.0
"""For how long an origin that was late is asked only for what no other has, or is not waited for as long."""


class Late:
    """Remembers them, for all who ask in this process."""

    def __init__(self) -> None:
        """None was late yet."""
        self._late: dict[str, tuple[float, Silence]] = {}

    def among(self, origins: Collection[str]) -> dict[str, Silence]:
        """Give those of some origins that were late, with what they were silent about."""
        now = time.monotonic()
        return {
            name: silence for name, (until, silence) in self._late.items() if now < until and name in origins
        }

    def note(self, answers: Answers[T]) -> None:
        """Take note of who was late, and of who no longer is."""
        for origin, _ in answers.heard:
            self._late.pop(origin.name, None)
        for silence in answers.silent:
            if isinstance(silence.error, OriginTimeout):
                self._late[silence.origin] = (time.monotonic() + LEFT_ALONE_SECONDS, silence)
