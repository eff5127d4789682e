"""Many clients of two wado and two workers: the PACS does the work once."""

from collections import Counter
from itertools import cycle
from pathlib import Path
from typing import Final

from tests.data_sets import identity
from tests.pacs import Slow
from tests.system.faults.client import Client
from tests.system.faults.conftest import IMAGES
from tests.system.faults.system import FaultySystem, Origin, kill

CLIENTS: Final = 20


def clients(system: FaultySystem, origin: Origin) -> list[Client]:
    """Many, in turns of either wado."""
    faces = cycle(system.faces("wado").values())
    return [origin.client(base=next(faces)) for _ in range(CLIENTS)]


def test_twenty_clients_of_two_wado_share_one_transfer(system: FaultySystem, images: list[Path]) -> None:
    origin = system.origin(images, Slow(seconds=0.05))
    answers = [client.answer() for client in clients(system, origin)]
    assert all(map(origin.is_whole, answers))
    assert Counter(origin.pacs.sent()) == Counter(origin.held.keys())


def test_all_of_them_go_on_when_the_worker_is_killed(system: FaultySystem, images: list[Path]) -> None:
    origin = system.origin(images, Slow(seconds=0.1))
    asking = clients(system, origin)
    for client in asking:
        client.wait_for(3)
    with system.restarting("dimse-scu"):
        kill(system.worker_of(origin))
    assert all(origin.is_whole(client.answer()) for client in asking)
    times = Counter(origin.pacs.sent())
    assert times.keys() == origin.held.keys()
    assert max(times.values()) <= 2


def test_parts_that_are_asked_for_while_the_study_comes_are_not_sent_for_themselves(
    system: FaultySystem, images: list[Path]
) -> None:
    origin = system.origin(images, Slow(seconds=0.1))
    last = identity(images[-1])
    series = f"/series/{last.series_instance_uid}"
    first, second = system.faces("wado").values()
    study = origin.client(base=first)
    study.wait_for(1)
    part = origin.client(series, base=second)
    one = origin.client(f"{series}/instances/{last.sop_instance_uid}", base=first)
    assert one.answer().datasets == {last.sop_instance_uid: origin.held[last.sop_instance_uid]}
    of_series = {identity(image).sop_instance_uid for image in images[IMAGES // 2 :]}
    assert part.answer().datasets == {uid: origin.held[uid] for uid in of_series}
    assert origin.is_whole(study.answer())
    times = Counter(origin.pacs.sent())
    assert times.pop(last.sop_instance_uid) <= 2
    assert times == Counter(origin.held.keys() - {last.sop_instance_uid})
