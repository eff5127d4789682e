"""Against the tables of PS3.18 10.6, as they stand there."""

import pytest

from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.search_attributes import (
    DEFAULT_RETURN,
    OPTIONAL,
    REQUIRED_MATCHING,
    REQUIRED_RETURN,
    UNIQUE_KEYS,
    level_of,
)

_MATCHING = {
    Level.STUDY: "00080020 00080030 00080050 00080061 00080090 00100010 00100020 0020000D 00200010",
    Level.SERIES: "00080060 0020000E 00200011 00400244 00400245 00400275.00400009 00400275.00401001",
    Level.IMAGE: "00080016 00080018 00200013",
}
"""Table 10.6.1-5."""
_RETURNED = {
    Level.STUDY: (
        "00080020 00080030 00080050 00080056 00080061 00080090 00080201 00100010 00100020 00100030 00100040"
        " 0020000D 00200010 00201206 00201208"
    ),
    Level.SERIES: (
        "00080060 00080201 0008103E 0020000E 00200011 00201209 00400244 00400245 00400275.00400009"
        " 00400275.00401001"
    ),
    Level.IMAGE: "00080016 00080018 00080056 00080201 00200013 00280008 00280010 00280011 00280100",
}
"""Tables 10.6.3-3 to 10.6.3-5, without RetrieveURL."""
_REQUIRED = {
    Level.STUDY: (
        "00080020 00080030 00080050 00080061 00080090 00100010 00100020 00100030 00100040 0020000D 00200010"
        " 00201206 00201208"
    ),
    Level.SERIES: "00080060 0020000E 00200011 00201209",
    Level.IMAGE: "00080016 00080018 00200013",
}
"""The same, types U and R."""


@pytest.mark.parametrize("level", Level)
def test_the_required_matching_attributes_are_those_of_the_table(level: Level) -> None:
    assert sorted(".".join(path) for path in REQUIRED_MATCHING[level]) == _MATCHING[level].split()


@pytest.mark.parametrize("level", Level)
def test_the_default_attributes_are_those_of_the_table(level: Level) -> None:
    assert sorted(".".join(path) for path in DEFAULT_RETURN[level]) == _RETURNED[level].split()


@pytest.mark.parametrize("level", Level)
def test_the_attributes_that_are_never_left_out_are_those_of_the_table(level: Level) -> None:
    assert sorted(REQUIRED_RETURN[level]) == _REQUIRED[level].split()


@pytest.mark.parametrize("level", Level)
def test_what_can_be_matched_by_everyone_is_returned_to_everyone(level: Level) -> None:
    assert set(REQUIRED_MATCHING[level]) <= set(DEFAULT_RETURN[level])


@pytest.mark.parametrize("level", Level)
def test_optional_attributes_add_to_the_default_ones(level: Level) -> None:
    assert not set(OPTIONAL[level]) & set(DEFAULT_RETURN[level])
    assert len(set(OPTIONAL[level])) == len(OPTIONAL[level])


@pytest.mark.parametrize("level", Level)
def test_every_attribute_of_a_table_belongs_to_its_level(level: Level) -> None:
    # What is known of a study holds for its instances: these two stand at several levels.
    shared = {tag_of("InstanceAvailability"), tag_of("TimezoneOffsetFromUTC")}
    tags = {path[0] for path in (*DEFAULT_RETURN[level], *OPTIONAL[level])} | {UNIQUE_KEYS[level]}

    assert {level_of(tag) for tag in tags - shared} == {level}


@pytest.mark.parametrize(
    ("keyword", "level"),
    [
        ("PatientSexNeutered", Level.STUDY),
        ("PatientState", Level.STUDY),
        ("ClinicalTrialSubjectID", Level.STUDY),
        ("RequestedProcedureDescription", Level.STUDY),
        ("PhysiciansOfRecord", Level.STUDY),
        ("IssuerOfAccessionNumberSequence", Level.STUDY),
        ("ClinicalTrialSeriesID", Level.SERIES),
        ("AnatomicalOrientationType", Level.SERIES),
        ("DeviceSerialNumber", Level.SERIES),
        ("PerformedProcedureStepEndDate", Level.SERIES),
        ("KVP", Level.IMAGE),
        ("PixelSpacing", Level.IMAGE),
    ],
)
def test_other_attributes_belong_to_the_level_of_their_module(keyword: str, level: Level) -> None:
    """PS3.3 C.7.1 to C.7.6."""
    assert level_of(tag_of(keyword)) is level


def test_a_private_attribute_belongs_to_the_instance() -> None:
    assert level_of("00091001") is Level.IMAGE
