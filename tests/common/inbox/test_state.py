"""Records of studies: compare-and-set, and what they hold comes back as it was."""

from dataclasses import replace
from hashlib import sha256
from random import Random

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
    read_record,
    written_record,
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


def described(number: int, description: str) -> SeriesSummary:
    """Give a series as modalities describe theirs."""
    attributes: DicomJson = {
        "00080021": {"vr": "DA", "Value": ["20260102"]},
        "00080031": {"vr": "TM", "Value": [f"{101500 + number}"]},
        "00080060": {"vr": "CS", "Value": ["MR"]},
        "0008103E": {"vr": "LO", "Value": [description]},
        "0020000E": {"vr": "UI", "Value": [uid(number)]},
        "00200011": {"vr": "IS", "Value": [number]},
        "00400244": {"vr": "DA", "Value": ["20260102"]},
    }
    return SeriesSummary(uid(number), attributes, 3, 1_500_000)


def uid(number: int) -> str:
    """Give a UID of which nothing repeats."""
    return f"2.25.{int(sha256(str(number).encode()).hexdigest()[:32], 16)}"


async def test_thousands_of_series_have_room_in_a_record(bus: Bus, origin_name: str) -> None:
    series = tuple(described(number, f"t1_mprage {number % 40}") for number in range(5_000))
    states = States(bus)
    assert await states.put(StudyState(origin_name, "1.2", series=series), 0) is not None
    assert (await states.get(origin_name, "1.2")).state.series == series


def test_of_more_series_than_have_room_their_descriptions_are_left_out() -> None:
    numbers = range(3_000)
    series = tuple(described(number, _noise(1_000, number)) for number in numbers)
    kept = read_record(written_record(StudyState("inbox", "1.2", series=series))).series
    assert [(one.uid, one.instances, one.size) for one in kept] == [
        (uid(n), 3, 1_500_000) for n in range(3_000)
    ]
    assert {tuple(one.attributes) for one in kept} == {("00080060",)}


def test_a_record_for_which_there_is_no_room_is_told() -> None:
    state = StudyState("inbox", "1.2", attributes={"00081030": {"vr": "LO", "Value": [_noise(3_000_000, 1)]}})
    with pytest.raises(ContractError, match="room for 1000000"):
        written_record(state)


def test_a_compressed_record_that_is_cut_off_is_told() -> None:
    series = tuple(described(number, "t1") for number in range(500))
    with pytest.raises(ContractError, match="decompressed"):
        read_record(written_record(StudyState("inbox", "1.2", series=series))[:-10])


def _noise(length: int, seed: int) -> str:
    return Random(seed).randbytes(length // 2).hex()


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
    uids = ["1.2", "1=2", "1%2", "*", ">", "1 2", "ü", 5_000 * "1", 5_001 * "1"]
    for uid in uids:
        assert await states.put(StudyState(origin_name, uid), 0) is not None
    assert [(await states.get(origin_name, uid)).state.study for uid in uids] == uids


async def test_what_is_no_record_is_told(bus: Bus, origin_name: str) -> None:
    key = f"$KV.{INBOXES_BUCKET}.{origin_name}.1=2"
    await bus.jetstream.publish(key, encode(AssociationEnded(origin_name, "1.2", "one")))
    with pytest.raises(ContractError, match="StudyState"):
        await States(bus).get(origin_name, "1.2")
    await bus.jetstream.purge_stream(f"KV_{INBOXES_BUCKET}", subject=key)
