"""Leaving an origin alone that is away, so that nobody waits for what cannot be had."""

from time import monotonic
from typing import Final

from isthmus.common.errors import CircuitOpen, NoAcceptedContext, OriginError
from isthmus.common.telemetry import get_logger
from isthmus.common.telemetry.attributes import DICOM_ORIGIN
from isthmus.common.telemetry.instruments import circuit_open, origin_up

FAILURES: Final = 3
"""In a row, to get an association or an answer to a request, after which the circuit opens."""
TRIAL_SECONDS: Final = 2.0
"""One attempt in so many seconds is let through while it is open."""
KNOWN_SECONDS: Final = 300.0
"""For how long its last answer, or its last silence, tells how it is."""

log = get_logger(__name__)


class Breaker:
    """The circuit breaker of one origin in one process."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._failures = 0
        self._last: OriginError | None = None
        self._trial_at: float | None = None
        """When the next attempt is let through; None while the circuit is closed."""
        self._labels = {DICOM_ORIGIN: origin}
        circuit_open.set(0, self._labels)

    def admit(self) -> bool:
        """Let an attempt pass: True where it is the one of its seconds, though the circuit is open.

        Raises:
            CircuitOpen: the origin is left alone now.
        """
        if self._trial_at is None:
            return False
        if monotonic() < self._trial_at:
            # What there is of a connection, and nothing of what it was for: no patient is in it.
            last = f"{self._last.title} ({self._last.detail})" if self._last is not None else ""
            detail = f"{self._origin!r} failed {self._failures} times in a row, the last time so: {last}"
            raise CircuitOpen(detail, origin=self._origin)
        self._trial_at = monotonic() + TRIAL_SECONDS
        return True

    def failed(self, error: OriginError) -> None:
        """Take note that there was no association to be had, or no answer."""
        if isinstance(error, NoAcceptedContext):  # it is there, and does not do what we need
            self.succeeded()
            return
        self._failures += 1
        origin_up.set(0, self._labels, lasts=KNOWN_SECONDS)
        self._last = error
        if self._failures >= FAILURES and self._trial_at is None:
            self._trial_at = monotonic() + TRIAL_SECONDS
            log.warning("circuit opened", origin=self._origin, error=type(error).__name__)
        if self._trial_at is not None:
            circuit_open.set(1, self._labels, lasts=KNOWN_SECONDS)

    def succeeded(self) -> None:
        """Take note that the origin is there."""
        self._failures = 0
        self._last = None
        origin_up.set(1, self._labels, lasts=KNOWN_SECONDS)
        if self._trial_at is not None:
            self._trial_at = None
            circuit_open.set(0, self._labels)
            log.info("circuit closed", origin=self._origin)
