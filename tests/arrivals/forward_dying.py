"""A replica that dies at one place: `python -m tests.arrivals.forward_dying PLACE SETTINGS`."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final
from unittest.mock import patch

from isthmus.arrivals.forwarding import destinations, forwarding, routing
from isthmus.common.bus.forwards import enqueue, send
from isthmus.common.config import load_settings
from isthmus.common.service.run import open_parts
from tests.arrivals.forwards import QUICK

ACK_WAIT: Final = 1.0
"""Seconds, instead of the thirty that a real replica may be silent for."""


def after(does: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[None]]:
    """Do something, then die."""

    async def do_and_die(*what: Any, **more: Any) -> None:  # noqa: ANN401  # whatever it takes
        await does(*what, **more)
        os.kill(os.getpid(), signal.SIGKILL)

    return do_and_die


PLACES: Final[dict[str, tuple[object, str, Callable[..., Awaitable[None]]]]] = {
    "in the queue, not written down": (routing, "enqueue", after(enqueue)),
    "results are there, message is too": (destinations, "send", after(send)),
    "rest is queued, message is there": (destinations, "enqueue", after(enqueue)),
}


async def main(place: str) -> None:
    """Run until it dies."""
    async with open_parts("arrivals", load_settings(None)) as parts:
        with (
            patch.object(*PLACES[place]),
            patch.object(routing, "ACK_WAIT", ACK_WAIT),
            patch.object(destinations, "ACK_WAIT", ACK_WAIT),
        ):
            async with forwarding(parts, QUICK):
                await asyncio.Event().wait()


if __name__ == "__main__":
    os.environ.update(json.loads(sys.argv[2]))
    asyncio.run(main(sys.argv[1]))
