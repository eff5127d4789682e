"""Asking a durable consumer for messages, so that none is lost sight of which was asked for."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Self, TypeAlias

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from isthmus.common.bus.client import Bus
from isthmus.common.bus.connection import drain
from isthmus.common.errors import BusUnavailable

PULL_SECONDS: Final = 2.0
"""How long a request for messages stands; NATS forgets it when it restarts, and we do not hear of that."""
_NO_MORE: Final = frozenset({"404", "408"})
"""Statuses that end a request: no messages, or none in its time."""

GiveBack: TypeAlias = Callable[[Msg], Awaitable[None]]


class Pull:
    """Requests for messages of a durable consumer, one at a time.

    nats-py's own wait for a whole batch, or ask for one message; and what is on its way to them when they are
    left is dropped: it would come again to nobody before its `ack_wait`.
    """

    def __init__(self, bus: Bus, subject: str, give_back: GiveBack) -> None:
        self._bus = bus
        self._subject = subject
        self._give_back = give_back
        self._inbox = bus.client.new_inbox()
        self._subscription: Subscription | None = None
        self._come: deque[Msg] = deque()
        self._something = asyncio.Event()
        self._to_come = 0
        """Messages that were asked for and are not here."""
        self._until = 0.0
        """When nothing comes for the last request any more, by the loop's clock."""
        self._failure: str | None = None
        self._is_closed = False

    @classmethod
    async def open(cls, bus: Bus, stream: str, consumer: str, give_back: GiveBack) -> Self:
        """Begin; nothing is asked for before there is a `batch`.

        Args:
            bus: the connection.
            stream: its name.
            consumer: its durable name.
            give_back: lets a message come again, to another replica, that was asked for and not given.

        Raises:
            nats.errors.Error: there is no connection.
        """
        pull = cls(bus, f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}", give_back)
        pull._subscription = await bus.client.subscribe(pull._inbox, cb=pull._take)
        return pull

    async def _take(self, message: Msg) -> None:
        status = (message.headers or {}).get("Status")
        if status is None or message.reply:
            self._to_come -= 1
            if self._is_closed:
                await self._give_back(message)
            else:
                self._come.append(message)
        else:
            self._to_come = 0
            if status not in _NO_MORE:
                self._failure = status
        self._something.set()

    async def batch(self, most: int, linger: float = 0.0) -> list[Msg]:
        """Give what comes in the time of a request; nothing, if that is so.

        Raises:
            BusUnavailable: the server says that the consumer is gone, or the like.
        """
        await self._request(most)
        if not self._come:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._until):
                    await self._anything()
        if self._come and linger:
            await self._grow(most, linger)
        if self._failure is not None and not self._come:
            raise BusUnavailable(f"{self._subject}: {self._failure}")
        return [self._come.popleft() for _ in range(min(most, len(self._come)))]

    async def _request(self, most: int) -> None:
        loop = asyncio.get_running_loop()
        if len(self._come) >= most or (self._to_come > 0 and loop.time() < self._until):
            return
        self._to_come = most - len(self._come)
        self._until = loop.time() + PULL_SECONDS + 1
        request = {"batch": self._to_come, "expires": int(PULL_SECONDS * 1e9)}
        await self._bus.client.publish(self._subject, json.dumps(request).encode(), reply=self._inbox)

    async def _anything(self) -> None:
        while not self._come and self._to_come > 0 and self._failure is None:
            self._something.clear()
            await self._something.wait()

    async def _grow(self, most: int, linger: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(linger):
                while len(self._come) < most and self._to_come > 0:
                    self._something.clear()
                    await self._something.wait()

    async def close(self) -> None:
        """Take the request back, and give back what came for it, or is on its way."""
        self._is_closed = True
        while self._come:
            await self._give_back(self._come.popleft())
        if self._subscription is not None:
            await drain(self._subscription)


async def leave(pull: Pull | None) -> None:
    """Close what was opened."""
    if pull is not None:
        await pull.close()
