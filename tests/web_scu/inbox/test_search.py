"""Searches of an inbox (PS3.4 C.4.1): every level, every kind of matching, an order that stays."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, search
from isthmus.common.bus.streams import INBOXES_BUCKET
from isthmus.common.bus.subjects import token
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey, Wanted
from isthmus.common.dicom.search_attributes import DEFAULT_RETURN
from isthmus.common.errors import ContractError, StoreUnavailable
from isthmus.common.inbox.remove import remove
from isthmus.common.messages import Delete, Query
from tests.common.inbox.studies import arrived, study_of

pytestmark = pytest.mark.usefixtures("served")


def key(keyword: str, *values: str, wanted: Wanted = Wanted.ANY) -> MatchingKey:
    return MatchingKey(tuple(tag_of(each) for each in keyword.split(".")), values, wanted)


async def found(
    bus: Bus, origin: str, level: Level, *keys: MatchingKey, fuzzy: bool = False
) -> list[DicomJson]:
    query = Query(origin, level, keys, DEFAULT_RETURN[level], fuzzy)
    async with search(bus, query) as matches:
        return [match async for match in matches]


def values(matches: Sequence[DicomJson], keyword: str) -> list[object]:
    elements = [match[tag_of(keyword)] for match in matches]
    return [element["Value"][0] if "Value" in element else None for element in elements]


async def test_studies_are_found_with_what_they_consist_of(
    bus: Bus, blobs: BlobStore, origin_name: str, files: list[Path]
) -> None:
    await arrived(bus, blobs, origin_name, files)
    matches = await found(bus, origin_name, Level.STUDY)
    assert len(matches) == 2
    (study,) = await found(bus, origin_name, Level.STUDY, key("StudyInstanceUID", study_of(files[0])))
    assert study["00201206"] == {"vr": "IS", "Value": [2]}
    assert study["00201208"] == {"vr": "IS", "Value": [5]}
    assert study["00080061"] == {"vr": "CS", "Value": ["CT"]}
    assert study["00080056"] == {"vr": "CS", "Value": ["ONLINE"]}
    assert study["00080054"] == {"vr": "AE", "Value": ["INBOX"]}
    assert list(study) == sorted(study)


async def test_series_come_in_the_order_of_their_numbers(
    bus: Bus, blobs: BlobStore, origin_name: str, files: list[Path]
) -> None:
    await arrived(bus, blobs, origin_name, list(reversed(files)))
    matches = await found(bus, origin_name, Level.SERIES, key("StudyInstanceUID", study_of(files[0])))
    assert values(matches, "NumberOfSeriesRelatedInstances") == [3, 2]
    assert values(matches, "SeriesNumber") == [0, 1]


async def test_instances_come_in_the_order_of_their_numbers(
    bus: Bus, blobs: BlobStore, origin_name: str, files: list[Path]
) -> None:
    await arrived(bus, blobs, origin_name, list(reversed(files)))
    study = key("StudyInstanceUID", study_of(files[0]))
    for series in await found(bus, origin_name, Level.SERIES, study):
        (uid,) = values([series], "SeriesInstanceUID")
        matches = await found(bus, origin_name, Level.IMAGE, study, key("SeriesInstanceUID", str(uid)))
        assert values(matches, "InstanceNumber") == list(range(1, len(matches) + 1))
        assert values([series], "NumberOfSeriesRelatedInstances") == [len(matches)]
        assert set(values(matches, "InstanceAvailability")) == {"ONLINE"}
        assert set(values(matches, "Rows")) == {16}


async def test_below_no_study_all_are_searched(
    bus: Bus, blobs: BlobStore, origin_name: str, files: list[Path]
) -> None:
    await arrived(bus, blobs, origin_name, files)
    assert len(await found(bus, origin_name, Level.SERIES)) == 3
    assert len(await found(bus, origin_name, Level.IMAGE)) == 6


@pytest.mark.parametrize(
    ("of", "count"),
    [
        (key("PatientID", "*"), 2),
        (key("AccessionNumber", "A0"), 0),
        (key("StudyDate", "20240101-20241231"), 2),
        (key("StudyDate", "-20240101"), 0),
        (key("ModalitiesInStudy", "MR"), 0),
        (key("ModalitiesInStudy", "MR", "CT"), 2),
        (key("ReferringPhysicianName", "refer^r*"), 2),
        (key("NumberOfStudyRelatedInstances", "5"), 1),
        (key("StudyID", "none such"), 0),
        (key("StudyInstanceUID", "1.2.3", "4.5.6"), 0),
        # What is not in them does not match, and is matched by having no value.
        (key("OtherPatientNames", "X"), 0),
        (key("OtherPatientNames", wanted=Wanted.NOTHING), 2),
        (key("ProcedureCodeSequence.CodeValue", "X"), 0),
        # Nobody keeps count of it: it is as if it had not been asked for.
        (key("NumberOfPatientRelatedStudies", "77"), 2),
    ],
    ids=str,
)
async def test_every_rule_of_matching_holds(
    bus: Bus, blobs: BlobStore, origin_name: str, files: list[Path], of: MatchingKey, count: int
) -> None:
    await arrived(bus, blobs, origin_name, files)
    if of.path == (tag_of("AccessionNumber"),):
        assert len(await found(bus, origin_name, Level.STUDY, key("AccessionNumber", "A2"))) == 1
    assert len(await found(bus, origin_name, Level.STUDY, of)) == count


async def test_names_are_matched_loosely_where_it_is_asked_for(
    bus: Bus, blobs: BlobStore, origin_name: str, files: list[Path]
) -> None:
    await arrived(bus, blobs, origin_name, files)
    name = key("ReferringPhysicianName", "rita")
    assert len(await found(bus, origin_name, Level.STUDY, name, fuzzy=True)) == 2
    assert not await found(bus, origin_name, Level.STUDY, name)


async def test_what_is_deleted_is_not_found_by_the_next_search(
    bus: Bus, blobs: BlobStore, origin_name: str, files: list[Path]
) -> None:
    await arrived(bus, blobs, origin_name, files)
    study = key("StudyInstanceUID", study_of(files[0]))
    (one, other) = values(await found(bus, origin_name, Level.SERIES, study), "SeriesInstanceUID")
    await remove(bus, blobs, Delete(origin_name, study_of(files[0]), str(one)))
    assert values(await found(bus, origin_name, Level.SERIES, study), "SeriesInstanceUID") == [other]
    assert len(await found(bus, origin_name, Level.IMAGE, study)) in {2, 3}
    await remove(bus, blobs, Delete(origin_name, study_of(files[0])))
    for level in Level:
        assert not await found(bus, origin_name, level, study)
    assert len(await found(bus, origin_name, Level.STUDY)) == 1


async def test_a_study_whose_list_is_lost_is_a_failure_and_not_a_short_answer(
    bus: Bus, blobs: BlobStore, origin_name: str, files: list[Path]
) -> None:
    states = await arrived(bus, blobs, origin_name, files)
    await blobs.delete(states[0].contents or "")
    with pytest.raises(StoreUnavailable):
        await found(bus, origin_name, Level.IMAGE)


async def test_another_inbox_has_nothing_of_it(
    bus: Bus, blobs: BlobStore, origin_name: str, files: list[Path]
) -> None:
    await arrived(bus, blobs, f"{origin_name}-other", files)
    for level in Level:
        assert not await found(bus, origin_name, level)


@pytest.fixture
async def unreadable(bus: Bus, origin_name: str) -> AsyncIterator[str]:
    """A study whose record is of another version."""
    subject = f"$KV.{INBOXES_BUCKET}.{token(origin_name)}.{token('1.9')}"
    await bus.jetstream.publish(subject, b"of another version")
    yield "1.9"
    await bus.jetstream.purge_stream(f"KV_{INBOXES_BUCKET}", subject=subject)


async def test_a_study_that_cannot_be_read_fails_the_searches_that_it_might_match_alone(
    bus: Bus, blobs: BlobStore, origin_name: str, files: list[Path], unreadable: str
) -> None:
    await arrived(bus, blobs, origin_name, files)
    of_another = key("StudyInstanceUID", study_of(files[0]))
    assert len(await found(bus, origin_name, Level.SERIES, of_another)) == 2
    for keys in ([], [key("StudyInstanceUID", unreadable)]):
        with pytest.raises(ContractError, match=origin_name):
            await found(bus, origin_name, Level.STUDY, *keys)
    deleted = await remove(bus, blobs, Delete(origin_name, unreadable))
    assert deleted.failure is not None
    assert deleted.failure.kind == "ContractError"
