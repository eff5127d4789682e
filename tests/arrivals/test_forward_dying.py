"""Replicas that are killed while they forward: nothing is lost, and nothing is sent twice."""

import json
from collections.abc import AsyncIterator

import pytest

from isthmus.arrivals.forwarding import destinations, routing
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config.settings import S3, Nats
from tests.arrivals import forward_dying
from tests.arrivals.forwards import REFUSED, Site, site_of
from tests.arrivals.killed import FORWARD_DYING, run_until_killed
from tests.stow.worker import Job


@pytest.fixture
async def site(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Site]:
    async with site_of(bus, blobs, origin_name) as site:
        yield site


@pytest.fixture
def environment(site: Site, nats_settings: Nats, s3_settings: S3) -> dict[str, str]:
    """The settings of a process, as variables."""
    settings = site.settings({}).model_dump(mode="json", include={"origins", "arrivals"})
    return {
        **{f"ISTHMUS_NATS__{name.upper()}": str(value) for name, value in nats_settings if value},
        **{f"ISTHMUS_S3__{name.upper()}": str(value) for name, value in s3_settings if value},
        "ISTHMUS_ORIGINS": json.dumps(settings["origins"]),
        "ISTHMUS_ARRIVALS": json.dumps(settings["arrivals"]),
    }


@pytest.mark.parametrize("place", forward_dying.PLACES)
async def test_another_replica_goes_on(
    place: str, environment: dict[str, str], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (routing, destinations):  # replicas agree on it
        monkeypatch.setattr(module, "ACK_WAIT", forward_dying.ACK_WAIT)
    refused: set[str] = set()

    async def refuses_the_first_once(job: Job) -> None:
        for index, ref in enumerate(await job.refs()):
            is_refused = not refused
            refused.add(ref.sop_instance_uid)
            await job.answer(index, 0xA900 if is_refused else 0, REFUSED if is_refused else None)
        await job.end()

    one, two = site.ref(1), site.ref(2)
    taken = site.employ(refuses_the_first_once)
    await site.announce(one, two)
    await run_until_killed(FORWARD_DYING, place, environment)
    async with site.forwarding():
        await site.routed()
        await site.noted()
        await site.done()
    assert taken.jobs == [[one.sop_instance_uid, two.sop_instance_uid], [one.sop_instance_uid]]
