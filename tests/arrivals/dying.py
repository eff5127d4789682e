"""A replica that dies at one place: `python -m tests.arrivals.dying PLACE SETTINGS`, variables in JSON."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn
from unittest.mock import patch

from isthmus.arrivals import announce, studies
from isthmus.arrivals.worker import arriving
from isthmus.common.bus.events import publish_event
from isthmus.common.config import load_settings
from isthmus.common.inbox.contents import ContentsStore
from isthmus.common.service.run import open_parts
from tests.arrivals.conftest import ACK_WAIT

_save = ContentsStore.save


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it lives")


async def before(*_: object, **__: object) -> None:
    die()


async def after_publishing(*what: Any) -> None:  # noqa: ANN401  # whatever it takes
    await publish_event(*what)
    die()


async def after_saving(*what: Any) -> None:  # noqa: ANN401  # whatever it takes
    await _save(*what)
    die()


PLACES: dict[str, tuple[object, str, Callable[..., Awaitable[None]]]] = {
    "list written, record not": (ContentsStore, "save", after_saving),
    "record written, timer not set": (studies, "set_timer", before),
    "record publishing, event not published": (announce, "publish_event", before),
    "event published, record publishing": (announce, "publish_event", after_publishing),
}


async def main(place: str) -> None:
    """Run until it dies."""
    async with open_parts("arrivals", load_settings(None)) as parts:
        with patch.object(*PLACES[place]):
            async with arriving(parts, ack_wait=ACK_WAIT):
                await asyncio.Event().wait()


if __name__ == "__main__":
    os.environ.update(json.loads(sys.argv[2]))
    asyncio.run(main(sys.argv[1]))
