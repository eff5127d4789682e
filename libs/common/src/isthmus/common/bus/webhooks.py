"""How each webhook is doing: a small record in KV that all replicas add to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from isthmus.common.bus.buckets import Records
from isthmus.common.bus.client import Bus
from isthmus.common.bus.streams import WEBHOOKS_BUCKET
from isthmus.common.bus.subjects import token
from isthmus.common.messages import decode, encode

CONSUMERS: Final = "webhook-"
"""What the names of webhooks' durable consumers begin with, on EVENTS and on FORWARDS."""


def consumer_name(webhook: str) -> str:
    """Name the durable consumers of a webhook."""
    return CONSUMERS + token(webhook)


@dataclass(frozen=True, slots=True)
class WebhookState:
    """The record of a webhook; times are seconds since 1970."""

    name: str
    url: str = ""
    """Without user, password, query and fragment."""
    target: str = ""
    """SHA-256 of the whole URL: another one is asked anew where this one wants nothing more."""
    types: tuple[str, ...] = ()
    origins: tuple[str, ...] | None = None
    """None: all."""
    delivered: int = 0
    """Events that it has taken."""
    failed: int = 0
    """Attempts that it has not."""
    last_status: str | None = None
    """Of the last attempt: the HTTP status, or why there was none."""
    last_attempt: float | None = None
    last_success: float | None = None
    failing_since: float | None = None
    """The first failure since the last success."""
    next_try: float | None = None
    """When something that failed is tried again."""
    stopped: float | None = None
    """When it answered 410: it wants nothing more."""


class WebhookStates:
    """The records of all webhooks."""

    def __init__(self, bus: Bus) -> None:
        self._records = Records(bus, WEBHOOKS_BUCKET)

    async def names(self) -> list[str]:
        """Give the names of all webhooks that have a record; each is a token as it is.

        Raises:
            BusUnavailable: NATS is away.
        """
        return await self._records.below()

    async def get(self, name: str) -> WebhookState:
        """Give the record of a webhook; an empty one where there is none.

        Raises:
            BusUnavailable: NATS is away.
            ContractError: the record is of another version.
        """
        return (await self._read(name))[0]

    async def change(self, name: str, change: Callable[[WebhookState], WebhookState]) -> WebhookState:
        """Change a record, whoever else does so at the same time, and give what it is now.

        Raises:
            BusUnavailable: NATS is away; nobody knows whether it was changed.
            ContractError: the record is of another version.
        """
        while True:
            state, revision = await self._read(name)
            changed = change(state)
            if await self._records.write(encode(changed), revision, name) is not None:
                return changed

    async def forget(self, name: str) -> None:
        """Delete a record.

        Raises:
            BusUnavailable: NATS is away.
        """
        await self._records.forget(name)

    async def _read(self, name: str) -> tuple[WebhookState, int]:
        record, revision = await self._records.read(name)
        return WebhookState(name) if record is None else decode(record, WebhookState), revision
