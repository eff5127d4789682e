"""A process of ours is killed in the middle of a transfer; another one of its kind goes on."""

from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.pacs import Slow
from tests.system.faults.system import FaultySystem, Origin, kill

UNDER_WAY: Final = 16
"""Instances that the worker had and had not published, at most."""


@pytest.fixture
def origin(system: FaultySystem, images: list[Path]) -> Origin:
    return system.origin(images, Slow(seconds=0.1))


def test_who_reads_when_the_worker_is_killed_gets_every_byte_in_the_same_answer(
    system: FaultySystem, origin: Origin
) -> None:
    client = origin.client()
    client.wait_for(5)
    origin.pacs.behave()
    with system.restarting("dimse-scu"):
        kill(system.worker_of(origin))
    assert origin.is_whole(client.answer())
    times = Counter(origin.pacs.sent())
    assert times.keys() == origin.held.keys()
    # What was under way is sent again; what had been published is not.
    assert max(times.values()) <= 2
    assert sum(times.values()) <= len(times) + UNDER_WAY


def test_the_client_of_a_killed_wado_sees_it_and_the_other_replica_gives_all(
    system: FaultySystem, origin: Origin
) -> None:
    (killed, first), (_, second) = system.faces("wado").items()
    client = origin.client(base=first)
    client.wait_for(5)
    with system.restarting("wado"):
        kill(killed)
        broken = client.answer()
        assert origin.is_broken(broken)
        assert origin.is_whole(origin.client(base=second).answer())
    assert Counter(origin.pacs.sent()) == Counter(origin.held.keys())
