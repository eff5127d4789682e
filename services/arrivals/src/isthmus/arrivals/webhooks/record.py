"""What is told of a webhook: its record in KV, and metrics."""

import asyncio
import time
from dataclasses import dataclass, replace

from isthmus.arrivals.webhooks.pace import Pace
from isthmus.arrivals.webhooks.receiver import shown_url, target
from isthmus.common.bus import Bus, end_tasks
from isthmus.common.bus.webhooks import WebhookState, WebhookStates
from isthmus.common.config.arriving import Webhook
from isthmus.common.errors import UnavailableError
from isthmus.common.telemetry import get_logger
from isthmus.common.telemetry.attributes import ISTHMUS_OUTCOME, ISTHMUS_WEBHOOK
from isthmus.common.telemetry.instruments import (
    webhook_attempts,
    webhook_dead_letters,
    webhook_stopped,
)

log = get_logger(__name__)


@dataclass(slots=True)
class _News:
    """What happened since the record was written."""

    delivered: int = 0
    failed: int = 0
    status: str | None = None
    at: float = 0.0
    success: float | None = None
    failing_since: float | None = None
    """The first failure since the last success, of those in here."""


class Record:
    """How one webhook is doing, as this replica knows it; other replicas add to the same record."""

    def __init__(self, bus: Bus, webhook: Webhook, pace: Pace) -> None:
        self._states = WebhookStates(bus)
        self._webhook = webhook
        self._pace = pace
        self._news = _News()
        self._next_try: float | None = None
        self._has_news = asyncio.Event()
        self._labels = {ISTHMUS_WEBHOOK: webhook.name}
        self.state = WebhookState(webhook.name)
        """As it was last read or written."""

    async def open(self) -> None:
        """Say what the webhook is now; one that was stopped goes on if its URL is another one.

        Raises:
            BusUnavailable: NATS is away.
        """
        webhook, at = self._webhook, target(self._webhook.url)

        def describe(state: WebhookState) -> WebhookState:
            anew = state.target != at
            return replace(
                state,
                url=shown_url(webhook.url),
                target=at,
                types=tuple(sorted(webhook.types)),
                origins=None if webhook.origins is None else tuple(sorted(webhook.origins)),
                stopped=None if anew else state.stopped,
                failing_since=None if anew else state.failing_since,
            )

        self._took(await self._states.change(webhook.name, describe))

    @property
    def failing_seconds(self) -> float:
        """For how long nothing was taken, since something was refused."""
        since = self.state.failing_since
        return 0.0 if since is None or self._news.success else time.time() - since

    def delivered(self, status: str) -> None:
        """It took an event."""
        webhook_attempts.add(1, {**self._labels, ISTHMUS_OUTCOME: "delivered"})
        self._news.delivered += 1
        self._news.success = time.time()
        self._news.failing_since = None
        self._next_try = None
        self._note(status)

    def failed(self, status: str, next_try: float) -> None:
        """It did not take an event, which is tried again in so many seconds."""
        webhook_attempts.add(1, {**self._labels, ISTHMUS_OUTCOME: "failed"})
        now = time.time()
        self._news.failed += 1
        if self._news.failing_since is None:
            self._news.failing_since = now
        if self._next_try is None or not now < self._next_try < now + next_try:
            self._next_try = now + next_try
        self._note(status)

    def dead(self) -> None:
        """An event became a dead letter."""
        webhook_dead_letters.add(1, self._labels)

    async def stop(self) -> None:
        """It wants nothing more: no replica sends it anything.

        Raises:
            BusUnavailable: NATS is away.
        """
        now = time.time()
        self._took(await self._states.change(self._webhook.name, lambda state: replace(state, stopped=now)))
        log.warning("webhook stopped: it answered 410", webhook=self._webhook.name)

    async def look(self) -> None:
        """Read the record, which others change too.

        Raises:
            BusUnavailable: NATS is away.
        """
        self._took(await self._states.get(self._webhook.name))

    async def write(self) -> None:
        """Write what there is to tell, from time to time; runs until cancelled."""
        while True:
            await self._has_news.wait()
            try:
                await self.flush()
            except UnavailableError as error:
                log.warning("webhook's record not written", webhook=self._webhook.name, detail=error.detail)
            await asyncio.sleep(self._pace.record)

    async def flush(self) -> None:
        """Write what there is to tell now.

        Raises:
            BusUnavailable: NATS is away; it is told the next time.
        """
        if not self._has_news.is_set():
            return
        news, self._news = self._news, _News()
        self._has_news.clear()
        next_try = self._next_try
        change = self._states.change(self._webhook.name, lambda state: _with(state, news, next_try))
        writing = asyncio.create_task(change)
        try:
            self._took(await _seen_through(writing))
        finally:
            if writing.cancelled() or writing.exception() is not None:
                self._news = _both(news, self._news)
                self._has_news.set()

    def _note(self, status: str) -> None:
        self._news.status = status
        self._news.at = time.time()
        self._has_news.set()

    def _took(self, state: WebhookState) -> None:
        self.state = state
        webhook_stopped.set(int(state.stopped is not None), self._labels)


async def _seen_through(writing: asyncio.Task[WebhookState]) -> WebhookState:
    """Wait for what is written, also when cancelled once: what is there already would be counted twice."""
    try:
        return await asyncio.shield(writing)
    except asyncio.CancelledError:
        try:
            await asyncio.wait([writing])
        finally:
            await end_tasks([writing])
        raise


def _with(state: WebhookState, news: _News, next_try: float | None) -> WebhookState:
    is_last = state.last_attempt is None or news.at >= state.last_attempt
    works = news.success is not None and news.success >= (state.last_success or 0)
    failing = None if works else state.failing_since
    return replace(
        state,
        delivered=state.delivered + news.delivered,
        failed=state.failed + news.failed,
        last_status=news.status if is_last else state.last_status,
        last_attempt=news.at if is_last else state.last_attempt,
        last_success=news.success if works else state.last_success,
        failing_since=news.failing_since if failing is None else failing,
        next_try=next_try,
    )


def _both(earlier: _News, later: _News) -> _News:
    """Put what could not be written before what came since."""
    return _News(
        delivered=earlier.delivered + later.delivered,
        failed=earlier.failed + later.failed,
        status=later.status or earlier.status,
        at=max(earlier.at, later.at),
        success=later.success or earlier.success,
        failing_since=later.failing_since if later.success else earlier.failing_since or later.failing_since,
    )
