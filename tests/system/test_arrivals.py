"""A day's traffic, while a replica of arrivals is killed: exactly the events that are expected."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association

from isthmus.common.bus import Bus
from isthmus.common.config.settings import Nats
from isthmus.common.messages.events import CloudEvent, StudyEvent
from tests.arrivals.subscriber import Subscriber
from tests.data_sets import identity, make_series
from tests.peers import Peer
from tests.peers.clients import storescu
from tests.system.gateway import Gateway

CT: Final = "1.2.840.10008.5.1.4.1.1.2"
WITHIN: Final = 60.0
"""Seconds for an event, also of what a replica had that was killed."""


INBOX: Final = "day"


@pytest.fixture
async def subscriber(inboxes: Gateway) -> AsyncIterator[Subscriber]:
    """Who gets the events of studies."""
    nats = inboxes.run_file.nats
    bus = await Bus.connect(Nats(url=nats.url, user=nats.user, password=nats.password), "test")
    one = await Subscriber.open(bus, INBOX)
    yield one
    await one.close()
    await bus.close()


@dataclass(frozen=True)
class Modality:
    """Sends to the inbox."""

    ae_title: str
    inbox: Peer

    @asynccontextmanager
    async def association(self) -> AsyncIterator["Sending"]:
        """Have an association open while the block runs."""
        ae = AE(ae_title=self.ae_title)
        ae.add_requested_context(CT, ExplicitVRLittleEndian)
        association = await asyncio.to_thread(
            ae.associate, self.inbox.host, self.inbox.port, ae_title=self.inbox.ae_title
        )
        assert association.is_established
        try:
            yield Sending(association)
        finally:
            await asyncio.to_thread(association.release)

    async def push(self, files: Sequence[Path]) -> None:
        """Send everything on an association of its own, as storescu does."""
        outcome = await asyncio.to_thread(storescu, self.inbox, files, calling=self.ae_title)
        assert outcome.code == 0, outcome.log


@dataclass(frozen=True)
class Sending:
    """An association that is open."""

    association: Association

    async def send(self, files: Sequence[Path]) -> None:
        """Store each file; a status other than Success fails."""
        for file in files:
            status = await asyncio.to_thread(self.association.send_c_store, dcmread(file))
            assert status.Status == 0x0000


def told(event: CloudEvent[StudyEvent]) -> tuple[str, str, int, int]:
    data = event.data
    return event.type.value, data.study, data.instances, data.new_instances


async def test_a_day_of_three_modalities(
    inboxes: Gateway, subscriber: Subscriber, pushed: list[Path], tmp_path: Path
) -> None:
    files = {
        name: make_series(tmp_path / name, 6, seed=n) for n, name in enumerate(("ct", "mr", "us", "end"))
    }
    pushed += (file for its in files.values() for file in its)
    study = {name: identity(its[0]).study_instance_uid for name, its in files.items()}
    inbox = Peer("DAY", inboxes.scp.host, inboxes.scp.port)
    ct, mr, us = (Modality(name, inbox) for name in ("CT1", "MR1", "US1"))

    # The CT sends in parts, the last of them after a replica was killed that may have the others.
    async with ct.association() as sending:
        await sending.send(files["ct"][:3])
        os.kill(inboxes.pids["arrivals"][0], signal.SIGKILL)
        async with ct.association() as another:
            await another.send(files["ct"][3:5])
        await us.push(files["us"])
        await us.push(files["us"])
        await sending.send(files["ct"][5:])
    both = sorted([told(await subscriber.next(WITHIN)), told(await subscriber.next(WITHIN))])
    assert both == sorted([("study.arrived", study["ct"], 6, 6), ("study.arrived", study["us"], 6, 6)])

    # The MR sends in parts too, but leaves more time between them; the US sends everything once more.
    await mr.push(files["mr"][:4])
    arrived = await subscriber.next(WITHIN)
    assert told(arrived) == ("study.arrived", study["mr"], 4, 4)
    await us.push(files["us"])
    await mr.push(files["mr"])
    amended = await subscriber.next(WITHIN)
    assert told(amended) == ("study.amended", study["mr"], 6, 2)
    assert amended.data.blobs is not None
    assert {blob.instance for blob in amended.data.blobs} == {
        identity(file).sop_instance_uid for file in files["mr"][4:]
    }

    # What comes last is the last event: of what was repeated there is none.
    await us.push(files["end"])
    assert told(await subscriber.next(WITHIN)) == ("study.arrived", study["end"], 6, 6)
    assert await subscriber.waiting() == 0
    assert {event.calling_ae_titles for event in (arrived.data, amended.data)} == {("MR1",)}
