"""The NATS server is killed in the middle of a transfer, and comes back with what it had on disk."""

from collections import Counter
from pathlib import Path

from tests.pacs import Slow
from tests.system.faults.system import FaultySystem, kill


def test_who_reads_meanwhile_gets_every_byte_and_so_does_the_next(
    system: FaultySystem, images: list[Path]
) -> None:
    origin = system.origin(images, Slow(seconds=0.1))
    client = origin.client()
    client.wait_for(5)
    with system.restarting("nats"):
        kill(system.only("nats"))
    assert origin.is_whole(client.answer())
    assert origin.is_whole(origin.retrieve())
    times = Counter(origin.pacs.sent())
    assert times.keys() == origin.held.keys()
    assert max(times.values()) <= 2
