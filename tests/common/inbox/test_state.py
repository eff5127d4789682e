"""Records of studies: compare-and-set, and what they hold comes back as it was."""

from dataclasses import replace

import pytest

from isthmus.common.bus import Bus
from isthmus.common.bus.streams import INBOXES_BUCKET
from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.errors import ContractError
from isthmus.common.inbox.state import (
    Arrival,
    Phase,
    Publication,
    Removal,
    SeriesSummary,
    States,
    StudyState,
    Versioned,
)
from isthmus.common.messages import AssociationEnded, encode
from isthmus.common.messages.events import Reason


async def test_of_an_unknown_study_there_is_an_empty_record(bus: Bus, origin_name: str) -> None:
    assert await States(bus).get(origin_name, "1.2") == Versioned(StudyState(origin_name, "1.2"), 0)


async def test_a_record_comes_back_as_it_was_written(bus: Bus, origin_name: str) -> None:
    arrival = Arrival(
        phase=Phase.PUBLISHING,
        revision=3,
        announced="contents/a",
        publication=Publication("ab", Reason.COUNT, 12.5, 7),
        last_stored=11.5,
        associations={"one": 10.5},
        ended=("two",),
        reports={"9.1": ("1.2.1.1",)},
        unfinished_reports=("9.1",),
        calling_ae_titles=("CT1",),
        conflicts=("patient",),
        patient_id="4711",
        traceparent="00-a",
    )
    series = (SeriesSummary("1.2.1", {"00080060": {"vr": "CS", "Value": ["CT"]}}, 2, 20),)
    attributes: DicomJson = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]}}
    written = StudyState(
        origin_name, "1.2", 1, "contents/b", 2, 20, attributes, series, arrival, (Removal(1, 4, "1.2.7"),)
    )
    states = States(bus)
    revision = await states.put(written, 0)
    assert revision is not None
    assert await states.get(origin_name, "1.2") == Versioned(written, revision)


async def test_of_two_who_change_a_record_one_has_to_read_it_again(bus: Bus, origin_name: str) -> None:
    states = States(bus)
    empty = StudyState(origin_name, "1.2")
    first = await states.put(replace(empty, instances=1), 0)
    assert first is not None
    assert await states.put(replace(empty, instances=2), 0) is None
    assert await states.put(replace(empty, instances=3), first) is not None
    assert (await states.get(origin_name, "1.2")).state.instances == 3


async def test_no_uid_means_another_study(bus: Bus, origin_name: str) -> None:
    states = States(bus)
    uids = ["1.2", "1=2", "1%2", "*", ">", "1 2", "ü"]
    for uid in uids:
        assert await states.put(StudyState(origin_name, uid), 0) is not None
    assert [(await states.get(origin_name, uid)).state.study for uid in uids] == uids


async def test_what_is_no_record_is_told(bus: Bus, origin_name: str) -> None:
    key = f"$KV.{INBOXES_BUCKET}.{origin_name}.1=2"
    await bus.jetstream.publish(key, encode(AssociationEnded(origin_name, "1.2", "one")))
    with pytest.raises(ContractError, match="StudyState"):
        await States(bus).get(origin_name, "1.2")
    await bus.jetstream.purge_stream(f"KV_{INBOXES_BUCKET}", subject=key)
