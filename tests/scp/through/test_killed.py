"""scp killed while it holds what is for an origin: all that got Success goes on, byte for byte."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest

from isthmus.arrivals.forwarding import forwarding
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Settings
from isthmus.common.config.settings import S3, Nats
from isthmus.common.dimse import Association, Context, Peer
from isthmus.common.errors import OriginError
from isthmus.common.service import Parts
from tests.peers import Process, free_port
from tests.peers.process import accepts_connections
from tests.scp.conftest import CT, EXPLICIT, PACS
from tests.scp.process import environment
from tests.scp.through.conftest import QUICK, nothing_is_on_its_way
from tests.stow.worker import Employ, Job

INSTANCES = 40
KILLED_AFTER = 15


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def cloud(origin_name: str) -> dict[str, object]:
    return {
        "name": origin_name,
        "protocol": "dicomweb",
        "ae_title": PACS,
        "url": "http://127.0.0.1:1/",
        "acknowledge": "spool",
    }


@pytest.fixture
def scp(
    tmp_path: Path, nats_settings: Nats, s3_settings: S3, cloud: dict[str, object], port: int
) -> Iterator[Process]:
    """It, as a process of its own."""
    variables = environment(nats_settings, s3_settings, "unused", port)
    process = Process(
        [sys.executable, "-m", "isthmus.scp"],
        log=tmp_path / "scp.log",
        environment={**variables, "ISTHMUS_ORIGINS": json.dumps([cloud])},
    )
    process.wait_until(lambda: accepts_connections(port))
    yield process
    process.stop()


@contextmanager
def association(port: int) -> Iterator[Association]:
    opened = Association.open(Peer("scp", "127.0.0.1", port, PACS, "CT1", 20.0), [Context(CT, (EXPLICIT,))])
    try:
        yield opened
    finally:
        opened.abort()


async def test_what_got_success_goes_on_to_the_origin(
    scp: Process,
    port: int,
    bus: Bus,
    blobs: BlobStore,
    cloud: dict[str, object],
    employ: Employ,
    dataset: Callable[..., bytes],
    origin_name: str,
) -> None:
    instances = {f"1.2.3.{number}": dataset(instance=f"1.2.3.{number}") for number in range(INSTANCES)}
    acknowledged = []
    with association(port) as opened:
        for uid, data in instances.items():
            sending = BytesIO(data)
            try:
                result = opened.store(
                    sending, sop_class_uid=CT, sop_instance_uid=uid, transfer_syntax_uid=EXPLICIT
                )
            except OriginError:
                break
            assert result.status == 0
            acknowledged.append(uid)
            if len(acknowledged) == KILLED_AFTER:
                scp.kill()
    assert len(acknowledged) == KILLED_AFTER
    arrived: dict[str, bytes] = {}

    async def take(job: Job) -> None:
        for ref in await job.refs():
            arrived[ref.sop_instance_uid] = await blobs.get(ref.key)
        await job.answer_all(0x0000)

    employ(take)
    parts = Parts(Settings.model_validate({"origins": [cloud]}), bus, blobs)
    async with forwarding(parts, QUICK):
        await nothing_is_on_its_way(bus, origin_name)
    assert set(acknowledged) <= set(arrived)
    assert all(arrived[uid].endswith(instances[uid]) for uid in arrived)
