"""A subscriber: `python -m bench.subscriber`, which writes when each event of a study came.

Standard input begins with a line of JSON: how to reach NATS. It writes `ready`, then a line for each event,
and ends when its standard input does.
"""

import asyncio
import json
import sys
import time

import nats
from nats.aio.msg import Msg
from nats.js.api import DeliverPolicy

SUBJECT = "dicom.events.study.*.*"


async def subscribe(url: str, user: str, password: str) -> None:
    """Write what comes, until standard input ends."""

    async def write(message: Msg) -> None:
        event, at = json.loads(message.data), time.time()
        counted = {name: event["data"][name] for name in ("study", "instances")}
        sys.stdout.write(json.dumps({"type": event["type"], "at": at, **counted}) + "\n")
        sys.stdout.flush()

    connection = await nats.connect(url, user=user, password=password)
    await connection.jetstream().subscribe(
        SUBJECT, stream="EVENTS", cb=write, ordered_consumer=True, deliver_policy=DeliverPolicy.NEW
    )
    await connection.flush()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await connection.close()


def main() -> None:
    """Do what standard input says."""
    asyncio.run(subscribe(**json.loads(sys.stdin.readline())))


if __name__ == "__main__":
    main()
