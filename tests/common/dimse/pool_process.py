"""A process with a pool of its own, that does many operations at once when told to."""

import asyncio
import json
import sys

from isthmus.common.bus import Bus
from isthmus.common.bus.slots import Slots
from isthmus.common.config.settings import Nats
from isthmus.common.dimse import FIND, VERIFICATION, Association, AssociationPool, Peer
from isthmus.common.threads import Threads


async def use(nats: Nats, peer: Peer, associations: int, operations: int) -> None:
    """Echo, half of it over associations that can search too, so that not every one suits everybody."""
    bus = await Bus.connect(nats, "pool")
    slots = await Slots.open(bus, peer.origin, associations)
    threads = Threads("dimse", associations + 2)
    pool = AssociationPool(peer, slots, threads)
    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    await asyncio.gather(
        *(
            pool.run([VERIFICATION, FIND] if number % 2 else [VERIFICATION], Association.echo)
            for number in range(operations)
        )
    )
    await pool.close()
    await slots.close()
    threads.close()
    await bus.close()
    say("done")


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asked = json.loads(sys.stdin.readline())
    asyncio.run(use(Nats(**asked["nats"]), Peer(**asked["peer"]), asked["associations"], asked["operations"]))
