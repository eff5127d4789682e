"""What goes where when rules change, events come late, or something of them cannot be read."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isthmus.arrivals.forwarding import routing
from isthmus.arrivals.forwarding.routing import Router
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, streams
from isthmus.common.bus.forwards import ForwardedStudies, enqueue, is_pending
from isthmus.common.messages import Forwarded, Forwarding
from isthmus.common.messages.cloud_events import from_json
from isthmus.common.messages.events import Blob, CloudEvent
from isthmus.common.service import Parts
from tests.arrivals.forwards import Site, refs_of, site_of, uids
from tests.data_sets import make_series


@pytest.fixture
async def site(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Site]:
    async with site_of(bus, blobs, origin_name) as site:
        yield site


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three images of one series."""
    return make_series(tmp_path_factory.mktemp("series"), 3)


async def went(site: Site) -> Forwarded:
    """Tell how the study went to the destination."""
    return await ForwardedStudies(site.bus).get(site.inbox, site.study, site.destination)


async def test_who_missed_an_event_gets_the_whole_study_with_the_next(site: Site, series: list[Path]) -> None:
    """A rule was taken out of the settings, and put back."""
    refs = await refs_of(site, series)
    taken = site.employ()
    async with site.forwarding():
        await site.announce(refs[0])
        assert await taken.next() == uids(refs[0])
        await site.routed()
    async with site.forwarding({"calling_ae_title": "NOBODY"}):
        await site.announce(refs[1], revision=2)
        await site.routed()
    assert (await went(site)).revision == 1
    async with site.forwarding():
        await site.announce(refs[2], revision=3)
        assert sorted(await taken.next()) == sorted(uids(*refs))
        await site.routed()
    assert (await went(site)).revision == 3


async def test_an_event_sends_nothing_on_that_is_not_in_its_inbox(site: Site) -> None:
    taken = site.employ()
    elsewhere = replace(site.ref(1), key=f"held/pacs/{site.study}/1/1/d.dcm")
    for each, tell in (("study", site.announce), ("instance", site.store)):
        async with site.forwarding({"each": each}):
            await tell(elsewhere)
            await tell(site.ref(2))
            assert await taken.next() == uids(site.ref(2))
            await site.done()
        await site.forget_place()
    assert taken.jobs == [uids(site.ref(2))] * 2


async def test_what_a_rule_left_out_once_is_not_taken_to_be_there(site: Site) -> None:
    """A rule for one modality became one for all."""
    site.employ()
    async with site.forwarding({"modality": ["CT"]}):
        await site.announce(site.ref(1), site.ref(1, "2"))
        await site.routed()
    assert (await went(site)).modalities == ("CT",)
    async with site.forwarding({}):
        await site.announce(site.ref(2, "2"), revision=2)
        await site.routed()
    found = await went(site)
    assert (found.revision, found.modalities) == (2, ("CT",))


async def test_an_event_that_is_overtaken_takes_nothing_back(site: Site, series: list[Path]) -> None:
    """S3 was away when the first was looked at, and it comes again after the second one."""
    refs = await refs_of(site, series)
    taken = site.employ()
    async with site.forwarding({"calling_ae_title": "NOBODY"}):
        await site.announce(refs[0], event_id="first")
        await site.announce(refs[1], revision=2, event_id="second")
        await site.routed()
    events = await published(site)
    router = Router(Parts(site.settings({}), site.bus, site.blobs))
    for event, sequence in reversed(events):
        await router.route(event, sequence)
    async with site.forwarding():
        got = {uid for _ in range(2) for uid in await taken.next()}
        await site.done()
    assert got == set(uids(*refs))
    assert (await went(site)).revision == 2


async def test_a_manifest_that_nobody_understands_sends_what_is_there(site: Site, series: list[Path]) -> None:
    refs = await refs_of(site, series)
    key = f"contents/{site.inbox}/manifest"
    await site.blobs.put(key, b'[{"bucket": 5}]')
    taken = site.employ()
    async with site.forwarding():
        await site.announce(manifest=Blob(site.blobs.bucket, key, 15), blobs=None)
        assert sorted(await taken.next()) == sorted(uids(*refs))


async def test_an_event_over_which_we_stumble_comes_again_and_holds_up_no_other(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "FAILED_SECONDS", 0.2)
    stumbled: list[str] = []

    async def stumbling(bus: Bus, forwarding: Forwarding) -> None:
        if not stumbled:
            stumbled.append(forwarding.id)
            raise RuntimeError("a mistake of ours")
        await enqueue(bus, forwarding)

    monkeypatch.setattr(routing, "enqueue", stumbling)
    taken = site.employ()
    async with site.forwarding():
        await site.announce(site.ref(1))
        await site.announce(site.ref(2))
        assert await taken.next() == uids(site.ref(2))
        assert await taken.next() == uids(site.ref(1))
    assert stumbled


async def test_a_record_of_another_version_loses_no_event(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "FAILED_SECONDS", 0.2)
    subject = f"$KV.{streams.FORWARDED_BUCKET}.{site.inbox}.{site.study.replace('.', '=')}.{site.destination}"
    await site.bus.jetstream.publish(subject, b"of another version")
    taken = site.employ()
    async with site.forwarding():
        await site.announce(site.ref(1))
        other = Site(site.bus, site.blobs, site.inbox)
        other.destination = site.destination
        await other.announce(other.ref(1))
        assert await taken.next() == uids(other.ref(1))
        assert not await is_pending(site.bus, site.inbox, site.study)
        await ForwardedStudies(site.bus).forget(site.inbox, site.study)
        assert await taken.next() == uids(site.ref(1))


async def published(site: Site) -> list[tuple[CloudEvent[Any], int]]:
    """Give the events of the inbox's studies, with their places in the stream."""
    found = []
    for kind in ("arrived", "amended"):
        message = await site.bus.jetstream.get_last_msg(
            streams.EVENTS, f"dicom.events.study.{kind}.{site.inbox}"
        )
        found.append((from_json(message.data or b""), message.seq or 0))
    return found
