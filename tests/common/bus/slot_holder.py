"""A process that takes slots, says so, and holds them until it is killed."""

import asyncio
import json
import sys

from isthmus.common.bus import Bus
from isthmus.common.bus.slots import Slots
from isthmus.common.config.settings import Nats


async def hold(nats: Nats, origin: str, associations: int) -> None:
    bus = await Bus.connect(nats, "holder")
    slots = await Slots.open(bus, origin, associations)
    for _ in range(associations):
        await slots.take(0)
    sys.stdout.write("held\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asked = json.loads(sys.stdin.readline())
    asyncio.run(hold(Nats(**asked["nats"]), asked["origin"], asked["associations"]))
