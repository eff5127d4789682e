"""What is recorded of what goes to destinations and webhooks."""

from collections.abc import AsyncIterator

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.events import publish_event
from isthmus.common.messages.audit import AuditRecord
from isthmus.common.messages.events import EventType
from tests.arrivals.forwards import REFUSED, Site, site_of
from tests.arrivals.webhook_events import Site as WebhookSite
from tests.arrivals.webhook_events import instance_event
from tests.arrivals.webhook_receiver import OK, WebhookReceiver, say, status
from tests.audited import audited
from tests.stow.worker import Job
from tests.waiting import until


@pytest.fixture
async def forwarding(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Site]:
    async with site_of(bus, blobs, origin_name) as site:
        yield site


async def exports(bus: Bus, origin: str, least: int) -> list[AuditRecord]:
    return await until(lambda: audited(bus, origin=origin), lambda found: len(found) >= least)


async def test_what_a_destination_takes_of_a_study_is_an_export(forwarding: Site) -> None:
    taken = forwarding.employ()
    async with forwarding.forwarding():
        await forwarding.announce(forwarding.ref(1), forwarding.ref(2))
        await taken.next()
        await forwarding.done()
    (record,) = await exports(forwarding.bus, forwarding.inbox, 1)
    assert (record.event, record.action, record.outcome) == ("export", "forward", "accepted")
    assert (record.destination, record.studies) == (forwarding.destination, (forwarding.study,))
    assert (record.instances, record.who) == (2, "service:arrivals")


async def test_what_it_refuses_is_a_failed_one(forwarding: Site) -> None:
    async def refuses(job: Job) -> None:
        await job.answer(0, 0)
        await job.answer(1, 0xA900, REFUSED)
        await job.end()

    taken = forwarding.employ(refuses)
    async with forwarding.forwarding():
        await forwarding.announce(forwarding.ref(1), forwarding.ref(2))
        await taken.next()
        record = (await exports(forwarding.bus, forwarding.inbox, 1))[0]
    assert (record.outcome, record.instances, record.reason) == ("failed", 1, "1 refused")


async def test_an_event_that_a_webhook_takes_is_an_export_and_one_that_it_does_not_is_none(
    site: WebhookSite, receiver: WebhookReceiver
) -> None:
    receiver.behaviour = say(status("503 Busy"), OK)
    hook = site.webhook(receiver.url)
    async with site.delivering(hook):
        await site.publish()
        await receiver.take(2)
        (record,) = await exports(site.bus, site.origin, 1)
    assert (record.event, record.destination, record.outcome) == ("export", hook.name, "accepted")
    assert record.action == "webhook study.arrived"
    assert len(record.studies) == 1


async def test_of_the_instances_of_a_study_a_webhook_is_told_in_one_record(
    site: WebhookSite, receiver: WebhookReceiver
) -> None:
    hook = site.webhook(receiver.url, types={EventType.INSTANCE_STORED})
    async with site.delivering(hook):
        for _ in range(3):
            await publish_event(site.bus, instance_event(site.origin))
        await site.state(hook, lambda state: state.delivered >= 3)
    assert [one.studies for one in await audited(site.bus, origin=site.origin)] == [("1.2.3",)]
