"""The consumers of subscribers are there when the service is."""

from pathlib import Path

import pytest

from isthmus.arrivals import subscribers
from isthmus.arrivals.worker import worker
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.client import bus_errors
from isthmus.common.bus.streams import EVENTS
from isthmus.common.config import Settings
from isthmus.common.config.access import Access
from isthmus.common.errors import BusUnavailable, SettingsError
from isthmus.common.service import Parts
from tests.common.bus.server import Server
from tests.waiting import until


def settings(*names: str, **rule: object) -> Settings:
    subscribers = [
        {"name": name, "password": "p" * 32, "types": ["study.arrived", "instance.stored"]} for name in names
    ]
    rules = [{"subscriber": name, "operations": ["events"], **rule} for name in names]
    access = Access.model_validate({"subscribers": subscribers, "rules": rules})
    return Settings.model_construct(**{**dict(Settings()), "access": access})


async def test_each_subscriber_has_a_consumer_of_its_inboxes_for_as_long_as_it_is_one(
    own_bus: Bus, blobs: BlobStore
) -> None:
    async with worker(Parts(settings("ai", "other", origins=["one", "two"]), own_bus, blobs)):
        for name in ("ai", "other"):
            config = (await own_bus.jetstream.consumer_info(EVENTS, name)).config
            assert sorted(config.filter_subjects or ()) == [
                "dicom.events.instance.stored.one",
                "dicom.events.instance.stored.two",
                "dicom.events.study.arrived.one",
                "dicom.events.study.arrived.two",
            ]
    async with worker(Parts(settings("other"), own_bus, blobs)):
        names = {info.name for info in await own_bus.jetstream.consumers_info(EVENTS)}
        assert "ai" not in names
        config = (await own_bus.jetstream.consumer_info(EVENTS, "other")).config
        assert sorted(config.filter_subjects or ()) == [
            "dicom.events.instance.stored.*",
            "dicom.events.study.arrived.*",
        ]
    async with worker(Parts(Settings(), own_bus, blobs)):
        assert not {"ai", "other"} & {info.name for info in await own_bus.jetstream.consumers_info(EVENTS)}


async def test_a_nats_that_has_lost_its_streams_has_the_consumers_again(
    blobs: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribers, "EVERY_SECONDS", 0.1)
    server = Server(tmp_path)
    await server.start()
    bus = await Bus.connect(server.settings, "test")

    async def has_one() -> bool:
        try:
            with bus_errors(EVENTS):
                return bool((await bus.jetstream.consumer_info(EVENTS, "ai")).name)
        except BusUnavailable:
            return False

    async with worker(Parts(settings("ai"), bus, blobs)):
        assert await has_one()
        await server.kill()
        server.lose_everything()
        await server.start()
        assert not await has_one()
        await until(has_one)
    await bus.close()
    await server.stop()


@pytest.mark.parametrize("name", ["arrivals", "arrivals-timers", "webhook-a", "qido"])
async def test_none_takes_the_place_of_a_consumer_of_ours(own_bus: Bus, blobs: BlobStore, name: str) -> None:
    with pytest.raises(SettingsError, match="is a name of our own on the bus"):
        async with worker(Parts(settings(name), own_bus, blobs)):
            raise AssertionError("it runs")
