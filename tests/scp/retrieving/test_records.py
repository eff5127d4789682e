"""What is recorded of C-MOVE and C-GET, before anything goes and at the end."""

import asyncio
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from isthmus.common.bus import Bus
from isthmus.common.bus.streams import AUDIT
from isthmus.common.config import Inbox
from tests.audited import audited
from tests.data_sets.part10 import identity
from tests.peers import Peer
from tests.scp.move.conftest import COUNT
from tests.scp.move.receiver import Receiver
from tests.scp.retrieving.client import PATIENT_ROOT, move
from tests.scp.retrieving.conftest import Ask


def study_of(study: str) -> Dataset:
    wanted = Dataset()
    wanted.QueryRetrieveLevel = "STUDY"
    wanted.StudyInstanceUID = study
    return wanted


async def test_what_goes_is_recorded_before_and_behind(
    ask: Ask, called: Peer, bus: Bus, inbox: Inbox, images: list[Path]
) -> None:
    study = identity(images[0]).study_instance_uid
    answer = await asyncio.to_thread(ask, called, study_of(study))
    assert answer.status == 0
    begins, ends = await audited(bus, origin=inbox.name)
    assert (begins.event, begins.studies) == ("begin-transferring", (study,))
    assert (ends.event, ends.outcome, ends.instances) == ("instances-transferred", "accepted", COUNT)
    assert ends.patients != ()
    assert ends.destination != ""
    assert ends.action in ("C-MOVE", "C-GET")


async def test_of_a_patient_the_studies_that_went_are_named(
    called: Peer, receiver: Receiver, bus: Bus, inbox: Inbox, images: list[Path]
) -> None:
    wanted = Dataset()
    wanted.QueryRetrieveLevel = "PATIENT"
    wanted.PatientID = str(dcmread(images[0]).PatientID)
    destination = receiver.peer.ae_title
    answer = await asyncio.to_thread(move, called, destination, wanted, model=PATIENT_ROOT)
    assert answer.status == 0
    begins, ends = await audited(bus, origin=inbox.name)
    assert begins.patients == ends.patients == (wanted.PatientID,)
    assert begins.studies == ()
    assert ends.studies == (identity(images[0]).study_instance_uid,)
    assert ends.destination == destination


async def test_nothing_goes_that_cannot_be_recorded(
    ask: Ask, called: Peer, bus: Bus, images: list[Path]
) -> None:
    await bus.jetstream.delete_stream(AUDIT)
    try:
        wanted = study_of(identity(images[0]).study_instance_uid)
        answer = await asyncio.to_thread(ask, called, wanted)
    finally:
        await bus.declare()
    assert answer.status & 0xFF00 in (0xA700, 0xC000)
    assert not answer.counts[0]
