"""What a test has happen to NATS while its own connection reads nothing."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from isthmus.common.bus import Bus
from isthmus.common.config.settings import Nats
from tests.waiting import until


def deliver_unread(settings: Nats, stream: str, consumer: str, subject: str, payloads: list[bytes]) -> None:
    """Publish over another connection, until the server has sent all to who asked the consumer for them.

    It blocks the loop from which it is called: what was sent to a connection of that lies unread behind it.
    """

    async def deliver() -> None:
        bus = await Bus.connect(settings, "elsewhere")
        try:
            for payload in payloads:
                await bus.jetstream.publish(subject, payload)
            await until(lambda: unacknowledged(bus), lambda number: number >= len(payloads))
        finally:
            await bus.close()

    async def unacknowledged(bus: Bus) -> int:
        return (await bus.jetstream.consumer_info(stream, consumer)).num_ack_pending or 0

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, deliver()).result()
