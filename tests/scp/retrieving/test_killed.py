"""scp killed in the middle of a C-MOVE: the server is let go, and the next C-MOVE brings all."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config.settings import S3, Nats
from tests.data_sets import identity, make_series
from tests.peers import Peer, Process, free_port
from tests.peers.process import accepts_connections
from tests.scp.bridge import CLOUD, bridge
from tests.scp.move.receiver import Receiver
from tests.scp.process import environment
from tests.scp.retrieving.client import STUDY_ROOT, associate, move, wish
from tests.scp.retrieving.half import COUNT, WITHIN_SECONDS, path_of, sends_half, two_of
from tests.web_scu.dicomweb.holding import Holding

MOVE = f"{STUDY_ROOT}.2"


@pytest.fixture
def scp(
    tmp_path: Path, nats_settings: Nats, s3_settings: S3, origin_name: str, receiver: Receiver
) -> Iterator[tuple[Process, int]]:
    """It, as a process of its own, and its port; of the server it knows the name alone."""
    port, to = free_port(), receiver.peer
    cloud = {
        "name": origin_name,
        "protocol": "dicomweb",
        "ae_title": CLOUD,
        "url": "http://127.0.0.1:1/dicom-web",
    }
    destination = {"ae_title": to.ae_title, "host": to.host, "port": to.port}
    process = Process(
        [sys.executable, "-m", "isthmus.scp"],
        log=tmp_path / "scp.log",
        environment={
            **environment(nats_settings, s3_settings, "unused", port),
            "ISTHMUS_ORIGINS": json.dumps([cloud]),
            "ISTHMUS_SCP__DESTINATIONS": json.dumps([destination]),
        },
    )
    process.wait_until(lambda: accepts_connections(port))
    yield process, port
    process.stop()


async def test_the_server_is_let_go_and_the_next_c_move_brings_all(
    scp: tuple[Process, int],
    bus: Bus,
    blobs: BlobStore,
    origin_name: str,
    receiver: Receiver,
    tmp_path: Path,
) -> None:
    process, port = scp
    files = await asyncio.to_thread(make_series, tmp_path, COUNT, seed=3801)
    study = identity(files[0]).study_instance_uid
    wanted = wish("STUDY", StudyInstanceUID=study)
    ended = asyncio.Event()

    async with (
        Holding.of(files) as holding,
        bridge(bus, blobs, origin_name, holding.url, destinations=[receiver.peer]) as another,
    ):
        holding.does(path_of(files), sends_half(files, ended))
        association = await asyncio.to_thread(associate, Peer(CLOUD, "127.0.0.1", port), MOVE)
        responses = association.send_c_move(wanted, receiver.peer.ae_title, MOVE)
        await two_of(responses)
        await asyncio.to_thread(process.kill)
        async with asyncio.timeout(WITHIN_SECONDS):
            await ended.wait()
        held = [blob.key async for blob in blobs.list(f"held/{origin_name}/{study}")]
        assert len(held) == 2
        holding.behaves(path_of(files))
        called = Peer(CLOUD, "127.0.0.1", another.port)
        again = await asyncio.to_thread(move, called, receiver.peer.ae_title, wanted)
    assert (again.status, again.counts) == (0x0000, (COUNT, 0, 0))
