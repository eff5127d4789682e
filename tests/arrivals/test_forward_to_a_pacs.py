"""Forwarding by the real worker, to a receiver that nobody here wrote, out of an inbox."""

import hashlib
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from nats.js.errors import NotFoundError

from isthmus.arrivals.forwarding import forwarding
from isthmus.common.blobs import BlobStore, inbox_key
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Inbox, Settings
from isthmus.common.config.arriving import Arrivals
from isthmus.common.messages import BlobRef
from isthmus.common.service import Parts
from isthmus.dimse_scu.worker import worker
from tests.arrivals.forwards import CT, QUICK, Site
from tests.data_sets import identity, make_series, raw_dataset, transfer_syntax
from tests.peers import Storescp, free_port
from tests.waiting import until


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_series(tmp_path_factory.mktemp("forwarded"), 3)


@pytest.fixture
async def site(bus: Bus, blobs: BlobStore, origin_name: str, series: list[Path]) -> Site:
    site = Site(bus, blobs, origin_name)
    await site.forget_place()
    site.study = identity(series[0].read_bytes()).study_instance_uid
    return site


async def put(site: Site, data: bytes) -> BlobRef:
    """Put an instance into the inbox."""
    who = identity(data)
    key = inbox_key(
        site.inbox,
        who.study_instance_uid,
        who.series_instance_uid,
        who.sop_instance_uid,
        hashlib.sha256(data).hexdigest(),
    )
    await site.blobs.put(key, data)
    return BlobRef(
        site.blobs.bucket,
        key,
        len(data),
        who.study_instance_uid,
        who.series_instance_uid,
        who.sop_instance_uid,
        CT,
        transfer_syntax(data),
    )


async def test_a_study_comes_to_a_pacs_byte_for_byte_though_it_was_away(
    site: Site, series: list[Path], tmp_path: Path
) -> None:
    """Away until it had failed more often than there are attempts; the circuit was open then."""
    port = free_port()
    pacs = DimseOrigin(name=site.destination, ae_title="STORESCP", port=port, timeout_seconds=5)
    inbox = Inbox.model_validate({"name": site.inbox, "protocol": "inbox", "ae_title": "INBOX"})
    rules = Arrivals.model_validate(
        {"max_attempts": 1, "forward": [{"inbox": site.inbox, "to": [site.destination]}]}
    )
    parts = Parts(Settings(origins=(inbox, pacs), arrivals=rules), site.bus, site.blobs)
    refs = [await put(site, file.read_bytes()) for file in series]
    async with AsyncExitStack() as stack, worker(parts), forwarding(parts, QUICK):
        await site.announce(*refs)
        await until(lambda: tries(site), lambda count: count >= 4)
        receiver = stack.enter_context(Storescp(tmp_path, port=port))
        await site.done()
        # Its files are whole when it has answered.
        got = receiver.datasets()
    assert got == {identity(file.read_bytes()).sop_instance_uid: [raw_dataset(file)] for file in series}
    assert await site.dead() == []


async def tries(site: Site) -> int:
    """Count the messages that there were in the destination's queue: each try makes the next one."""
    try:
        info = await site.bus.jetstream.consumer_info("FORWARDS", f"forwards-{site.destination}")
    except NotFoundError:  # not yet
        return 0
    return info.delivered.consumer_seq if info.delivered else 0
