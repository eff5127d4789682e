"""When an origin that is busy is asked again (429, 503; RFC 9110 15.6.4, RFC 6585 4)."""

import random
from http import HTTPStatus
from typing import Final

BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
MOST_TRIES: Final = 4
FIRST_WAIT: Final = 0.5


class Patience:
    """How long one request waits for an origin that is busy, over all its tries."""

    def __init__(self, seconds: float) -> None:
        """Begin.

        Args:
            seconds: most of them, together.
        """
        self._left = seconds
        self._tries = 1

    def wait(self, retry_after: float | None) -> float | None:
        """Give the seconds until the next try; None where there is to be none.

        Args:
            retry_after: what the origin asks for; without it 0.5 s, then twice as long each time, give or
                take a quarter.
        """
        usual = FIRST_WAIT * 2 ** (self._tries - 1) * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
        seconds = usual if retry_after is None else retry_after
        if self._tries >= MOST_TRIES or seconds > self._left:
            return None
        self._tries += 1
        self._left -= seconds
        return seconds
