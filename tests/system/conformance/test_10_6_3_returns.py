"""What a match holds (PS3.18 10.6.3.3, Tables 10.6.3-3 to 10.6.3-5)."""

from typing import Final

import httpx2
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from tests.peers import eventually
from tests.system.conformance.answers import Match, all_values, keywords, matches, tag, value, values
from tests.system.conformance.archive import UNIQUE, Archive
from tests.system.conformance.searching import PATIENT

REQUIRED: Final = {
    "studies": {
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "ModalitiesInStudy",
        "ReferringPhysicianName",
        "RetrieveURL",
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "StudyID",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
    },
    "series": {
        "Modality",
        "RetrieveURL",
        "SeriesInstanceUID",
        "SeriesNumber",
        "NumberOfSeriesRelatedInstances",
    },
    "instances": {"SOPClassUID", "SOPInstanceUID", "RetrieveURL", "InstanceNumber"},
}
"""Types R and U, and RetrieveURL, as all of it can be retrieved: in each match, known or not."""
IF_KNOWN: Final = {
    "studies": {"InstanceAvailability", "TimezoneOffsetFromUTC"},
    "series": {
        "SeriesDescription",
        "TimezoneOffsetFromUTC",
        "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime",
        "RequestAttributesSequence",
    },
    "instances": {
        "InstanceAvailability",
        "TimezoneOffsetFromUTC",
        "Rows",
        "Columns",
        "BitsAllocated",
        "NumberOfFrames",
    },
}
"""Type C. No origin here tells InstanceAvailability (tests/dimse_scu/test_find.py has one that does), and a
time zone is only told where it was negotiated (PS3.4 C.4.1.1.3.1), which we do not."""
STUDY: Final = "1.3.6.1.4.1.5962.1.1.0.0.0.1196533885.18148.0.1"


def above(level: str) -> set[str]:
    """What is required of the levels above."""
    levels = list(REQUIRED)
    return set().union(*(REQUIRED[each] for each in levels[: levels.index(level)]))


@pytest.mark.parametrize("level", UNIQUE)
def test_tables_10_6_3_3_to_10_6_3_5_each_match_has_what_is_required_as_it_is_in_the_files(
    http: httpx2.Client, anywhere: Archive, level: str
) -> None:
    """With a value or, where the origin does not know it, without; what is conditional where it is known."""
    held = anywhere.where(**PATIENT)
    found = matches(http.get(f"{anywhere.root}/{level}", params=PATIENT))
    assert found
    for match in found:
        assert REQUIRED[level] <= keywords(match)
        in_files = held.where(**{UNIQUE[level]: value(match, UNIQUE[level])})
        for keyword in (REQUIRED[level] | IF_KNOWN[level]) - anywhere.silent:
            texts = in_files.texts(keyword)
            if len(texts) == 1 and texts != {""} and keyword != "TimezoneOffsetFromUTC":
                assert {value(match, keyword)} == texts, keyword


def test_table_10_6_3_3_what_is_in_a_study_is_told(http: httpx2.Client, origin: Archive) -> None:
    """Its modalities, series and instances; a number of instances where the origin counts them."""
    for match in matches(http.get(f"{origin.root}/studies", params=PATIENT)):
        held = origin.where(StudyInstanceUID=value(match, "StudyInstanceUID"))
        assert {*values(match, "ModalitiesInStudy")} == held.texts("Modality")
        assert values(match, "NumberOfStudyRelatedSeries") == [len(held.uids("series"))]
        counted = [] if "NumberOfStudyRelatedInstances" in origin.silent else [len(held.uids("instances"))]
        assert values(match, "NumberOfStudyRelatedInstances") == counted


def test_table_10_6_3_4_what_was_requested_is_told_of_a_series(http: httpx2.Client, origin: Archive) -> None:
    """RequestAttributesSequence › ScheduledProcedureStepID, › RequestedProcedureID, if it is known."""
    study = "1.2.124.113532.10.122.1.203.20051130.122937.2950157"
    (match,) = matches(http.get(f"{origin.root}/studies/{study}/series"))
    items = [] if "RequestAttributesSequence" in origin.silent else ["8000000000330109"] * 2
    found = [
        value(item, keyword)
        for item in values(match, "RequestAttributesSequence")
        for keyword in ("ScheduledProcedureStepID", "RequestedProcedureID")
    ]
    assert found == items


def test_10_6_3_3_what_an_origin_knows_to_be_empty_is_there_without_a_value(
    http: httpx2.Client, anywhere: Archive
) -> None:
    """`{"vr": "PN"}` and not left out."""
    for match in matches(http.get(f"{anywhere.root}/studies", params=PATIENT)):
        assert match[tag("ReferringPhysicianName")] == {"vr": "PN"}
        assert match[tag("PatientBirthDate")] == {"vr": "DA"}


@pytest.mark.parametrize("level", ["series", "instances"])
def test_10_6_3_3_relational_searches_have_the_attributes_of_the_levels_above(
    http: httpx2.Client, origin: Archive, level: str
) -> None:
    for match in matches(http.get(f"{origin.root}/{level}", params=PATIENT)):
        assert above(level) | REQUIRED[level] <= keywords(match)
        assert value(match, "PatientName") == "Doe^Peter"


def test_10_6_3_3_searches_within_a_study_lack_its_attributes(http: httpx2.Client, origin: Archive) -> None:
    """Study's Instances has those of the series."""
    url = f"{origin.root}/studies/{STUDY}"
    for match in matches(http.get(f"{url}/series")):
        assert keywords(match) & above("series") <= {"StudyInstanceUID", "RetrieveURL"}
    for match in matches(http.get(f"{url}/instances")):
        assert keywords(match) & REQUIRED["studies"] <= {"StudyInstanceUID", "RetrieveURL"}
        assert keywords(match) >= REQUIRED["series"] | REQUIRED["instances"]


def test_10_6_3_3_what_was_matched_is_returned_of_the_levels_above_too(
    http: httpx2.Client, origin: Archive
) -> None:
    response = http.get(
        f"{origin.root}/studies/{STUDY}/series",
        params={"StudyDate": "20030505", "StudyDescription": "Brain-MRA", "includefield": "PatientSex"},
    )
    found = matches(response)
    assert len(found) == 3
    assert all_values(found, "StudyDate") == {"20030505"}
    assert all_values(found, "StudyDescription") == {"Brain-MRA"}
    assert all_values(found, "PatientSex") == {"M"}


@pytest.mark.parametrize("level", UNIQUE)
def test_10_6_3_3_the_retrieve_url_is_where_it_can_be_retrieved(
    http: httpx2.Client, anywhere: Archive, level: str
) -> None:
    asked = {"StudyInstanceUID": STUDY, "limit": "1"}
    (match,) = matches(http.get(f"{anywhere.root}/{level}", params=asked))
    uids = [f"/{each}/{value(match, keyword)}" for each, keyword in UNIQUE.items() if value(match, keyword)]
    assert values(match, "RetrieveURL") == [f"{http.base_url}{anywhere.root}{''.join(uids)}"]
    described = http.get(f"{value(match, 'RetrieveURL')}/metadata")
    assert described.status_code == 200
    assert all_values(described.json(), UNIQUE[level]) == {value(match, UNIQUE[level])}


def test_10_6_3_3_3_the_transfer_syntax_is_told_of_instances_that_are_held_here(
    http: httpx2.Client, origin: Archive
) -> None:
    """AvailableTransferSyntaxUID is optional; DIMSE tells it to none, so it is known after a retrieval."""
    url = f"{origin.root}/studies/{STUDY}"
    assert http.get(f"{url}/metadata").status_code == 200

    def is_told() -> bool:
        found = matches(http.get(f"{url}/instances"))
        return all_values(found, "AvailableTransferSyntaxUID") == {str(ExplicitVRLittleEndian)}

    # No search waits long for it: it may be missed where the machine is busy.
    assert eventually(is_told)


def test_10_6_3_3_the_answer_is_valid_json_of_the_dicom_json_model(
    http: httpx2.Client, origin: Archive
) -> None:
    """Tags in ascending order, as pydicom reads them."""
    for match in matches(http.get(f"{origin.root}/instances", params=PATIENT)):
        assert list(match) == sorted(match)
        read = pydicom.Dataset.from_json(dict(match))
        assert read.PatientID == "98890234"
        assert_vrs(match)


def assert_vrs(match: Match) -> None:
    for key, element in match.items():
        assert element["vr"] == pydicom.datadict.dictionary_VR(int(key, 16)).split(" or ")[0]
        assert element.keys() <= {"vr", "Value"}
