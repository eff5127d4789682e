"""scp killed while it receives: what got Success is there, and its repeat makes no second event."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config.settings import S3, Nats
from isthmus.common.dimse import Association, Context, Peer
from isthmus.common.errors import OriginError
from tests.peers import Process, free_port
from tests.peers.process import accepts_connections
from tests.scp.conftest import CT, EXPLICIT, INBOX
from tests.scp.process import environment
from tests.scp.stream import ends, instance_events

INSTANCES = 60
KILLED_AFTER = 25

Start = Callable[[], Process]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def start(
    tmp_path: Path, nats_settings: Nats, s3_settings: S3, origin_name: str, port: int
) -> Iterator[Start]:
    """Run scp as a process of its own."""
    running: list[Process] = []

    def run() -> Process:
        process = Process(
            [sys.executable, "-m", "isthmus.scp"],
            log=tmp_path / "scp.log",
            environment=environment(nats_settings, s3_settings, origin_name, port),
        )
        running.append(process)
        process.wait_until(lambda: accepts_connections(port))
        return process

    yield run
    for process in running:
        process.stop()


@contextmanager
def association(port: int) -> Iterator[Association]:
    opened = Association.open(Peer("scp", "127.0.0.1", port, INBOX, "CT1", 20.0), [Context(CT, (EXPLICIT,))])
    try:
        yield opened
    finally:
        opened.abort()


def store(opened: Association, data: bytes, uid: str) -> int:
    return opened.store(
        BytesIO(data), sop_class_uid=CT, sop_instance_uid=uid, transfer_syntax_uid=EXPLICIT
    ).status


async def test_what_got_success_is_there_and_its_repeat_makes_no_second_event(
    start: Start, port: int, bus: Bus, blobs: BlobStore, origin_name: str, dataset: Callable[..., bytes]
) -> None:
    instances = {f"1.2.3.{number}": dataset(instance=f"1.2.3.{number}") for number in range(INSTANCES)}
    scp, stored = start(), []
    with association(port) as opened:
        for uid, data in instances.items():
            try:
                assert store(opened, data, uid) == 0
            except OriginError:
                break
            stored.append(uid)
            if len(stored) == KILLED_AFTER:
                scp.kill()
    assert len(stored) == KILLED_AFTER
    events = {event.data.instance: event.data for event in await instance_events(bus, origin_name)}
    for uid in stored:
        assert (await blobs.get(events[uid].blob.key)).endswith(instances[uid])

    scp = start()
    with association(port) as opened:
        assert [store(opened, data, uid) for uid, data in instances.items()] == [0] * INSTANCES
    await ends(bus, origin_name, least=1)
    events_then = await instance_events(bus, origin_name)
    assert sorted(event.data.instance for event in events_then) == sorted(instances)
    there = {blob.key async for blob in blobs.list(f"inbox/{origin_name}/")}
    assert there == {event.data.blob.key for event in events_then}
    scp.stop()


async def test_killed_before_the_answer_nothing_is_there_twice_after_the_repeat(
    start: Start, port: int, bus: Bus, blobs: BlobStore, origin_name: str, dataset: Callable[..., bytes]
) -> None:
    scp = start()
    pixels = bytes(3 * 1024 * 1024)
    large = dataset() + b"\xe0\x7f\x10\x00OW\0\0" + len(pixels).to_bytes(4, "little") + pixels
    with association(port) as opened:
        sent = BytesIO(large)

        class KillsInTheMiddle(BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                if sent.tell() > len(large) // 2:
                    scp.kill()
                return sent.read(size)

        with pytest.raises(OriginError):
            opened.store(
                KillsInTheMiddle(large),
                sop_class_uid=CT,
                sop_instance_uid="1.2.3.4",
                transfer_syntax_uid=EXPLICIT,
            )
    assert await instance_events(bus, origin_name) == []
    start()
    with association(port) as opened:
        assert store(opened, large, "1.2.3.4") == 0
    (event,) = await instance_events(bus, origin_name)
    assert [blob.key async for blob in blobs.list(f"inbox/{origin_name}/")] == [event.data.blob.key]
