"""What `/metrics` tells of the queues of the whole system, as JetStream tells it."""

import time
from collections.abc import Iterable, Mapping

from isthmus.common.bus import Bus
from isthmus.common.bus.backlog import Backlog, Place, Queue, Storage, backlogs, dead_letters, storage
from isthmus.common.bus.measured import labels
from isthmus.common.telemetry import instruments
from isthmus.common.telemetry.attributes import DICOM_ORIGIN, ISTHMUS_QUEUE, ISTHMUS_WEBHOOK


async def look(bus: Bus, *, lasts: float) -> None:
    """Look once at all queues; every replica tells the same of them.

    Args:
        bus: the bus.
        lasts: seconds after which nothing of it is told any more.

    Raises:
        BusUnavailable: NATS does not tell.
    """
    _tell_queues(await backlogs(bus), lasts)
    dead = await dead_letters(bus)
    instruments.dead_letters.replace(((count, _dead(*whose)) for whose, count in dead.items()), lasts=lasts)
    _tell_storage(await storage(bus), lasts)


def _tell_queues(found: Iterable[Backlog], lasts: float) -> None:
    """Tell how much there is and since when; an empty queue has no age."""
    now = time.time()
    lengths: dict[frozenset[tuple[str, str]], int] = {}
    ages: dict[frozenset[tuple[str, str]], float] = {}
    for one in found:
        # A webhook has two: of events, and of dead letters that are tried anew.
        key = frozenset(labels(Place(one.queue, one.origin, one.lane, one.name)).items())
        lengths[key] = lengths.get(key, 0) + one.length
        if one.oldest is not None:
            ages[key] = max(ages.get(key, 0.0), now - one.oldest)
    instruments.queue_length.replace(((length, dict(key)) for key, length in lengths.items()), lasts=lasts)
    instruments.queue_oldest_age.replace(((age, dict(key)) for key, age in ages.items()), lasts=lasts)


def _dead(what: str, name: str) -> Mapping[str, str]:
    if what == "webhook":
        return {ISTHMUS_QUEUE: Queue.WEBHOOKS.value, ISTHMUS_WEBHOOK: name}
    return {ISTHMUS_QUEUE: Queue.FORWARD.value, DICOM_ORIGIN: name}


def _tell_storage(kept: Storage, lasts: float) -> None:
    instruments.jetstream_size.set(kept.used, lasts=lasts)
    instruments.jetstream_limit.replace([] if kept.limit is None else [(kept.limit, {})], lasts=lasts)
