"""What it does to the listing of what it has."""

from pathlib import Path
from time import monotonic

import pytest

from tests.data_sets import identity
from tests.pacs import (
    CapsMatches,
    CountsWrongly,
    FaultyPacs,
    FindEndsLate,
    IgnoresUIDs,
    LeavesOut,
    ListsCutUIDs,
    ListsMore,
    LosesFile,
    Shuffles,
    TellsAvailability,
)
from tests.pacs.conftest import COUNT
from tests.peers import findscu


@pytest.fixture
def images_of(study: dict[str, str], images: list[Path]) -> dict[str, str]:
    """The query for what a series has."""
    series = identity(images[0]).series_instance_uid
    return {**study, "QueryRetrieveLevel": "IMAGE", "SeriesInstanceUID": series, "SOPInstanceUID": ""}


def test_it_says_success_after_some_matches_at_image_level_only(
    pacs: FaultyPacs, study: dict[str, str], images_of: dict[str, str]
) -> None:
    pacs.behave(CapsMatches(at_most=1))
    assert len(findscu(pacs.peer, images_of)) == 1
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "", "NumberOfStudyRelatedInstances": ""}
    assert len(findscu(pacs.peer, keys)) > 1


def test_it_gives_all_matches_and_waits_before_it_says_so(
    pacs: FaultyPacs, images_of: dict[str, str], uids: list[str]
) -> None:
    pacs.behave(FindEndsLate(seconds=0.3))
    began = monotonic()
    assert [match.SOPInstanceUID for match in findscu(pacs.peer, images_of)] == uids
    assert monotonic() - began >= 0.3


def test_it_lists_an_instance_that_it_has_not(
    pacs: FaultyPacs, images_of: dict[str, str], uids: list[str]
) -> None:
    pacs.behave(ListsMore(sop_instance_uid="1.2.3"))
    listed = [match.SOPInstanceUID for match in findscu(pacs.peer, images_of)]
    assert listed == [*uids, "1.2.3"]


def test_it_fails_where_it_is_asked_for_what_only_the_files_tell(
    pacs: FaultyPacs, images_of: dict[str, str], uids: list[str]
) -> None:
    pacs.behave(LosesFile())
    with pytest.raises(AssertionError):
        findscu(pacs.peer, {**images_of, "SOPClassUID": ""})
    assert [match.SOPInstanceUID for match in findscu(pacs.peer, images_of)] == uids


@pytest.mark.parametrize("count", [None, 0, 1])
def test_it_counts_wrongly_or_not_at_all(count: int | None, pacs: FaultyPacs, study: dict[str, str]) -> None:
    keys = {
        **study,
        "QueryRetrieveLevel": "SERIES",
        "SeriesInstanceUID": "",
        "NumberOfSeriesRelatedInstances": "",
    }
    (honest,) = findscu(pacs.peer, keys)
    assert honest.NumberOfSeriesRelatedInstances == COUNT
    pacs.behave(CountsWrongly(count=count))
    (match,) = findscu(pacs.peer, keys)
    assert match.NumberOfSeriesRelatedInstances == count


@pytest.mark.parametrize("keyword", ["SeriesInstanceUID", "SOPInstanceUID"])
def test_it_ignores_a_unique_key_at_image_level(
    keyword: str, pacs: FaultyPacs, images_of: dict[str, str]
) -> None:
    keys = {**images_of, keyword: "1.2.3"}
    assert findscu(pacs.peer, keys) == []
    pacs.behave(IgnoresUIDs(keywords=[keyword]))
    assert len(findscu(pacs.peer, keys)) == COUNT


def test_it_lists_over_long_uids_cut(pacs: FaultyPacs, others: list[Path]) -> None:
    over_long = identity(others[-1])
    keys = {
        "QueryRetrieveLevel": "IMAGE",
        "StudyInstanceUID": over_long.study_instance_uid,
        "SOPInstanceUID": "",
    }
    pacs.behave(ListsCutUIDs())
    assert {len(match.SOPInstanceUID) for match in findscu(pacs.peer, keys)} == {64}


def test_it_does_not_know_an_attribute(pacs: FaultyPacs, images_of: dict[str, str], uids: list[str]) -> None:
    pacs.behave(LeavesOut(keywords=["InstanceNumber"]))
    matches = findscu(pacs.peer, {**images_of, "InstanceNumber": "1"})
    assert [match.SOPInstanceUID for match in matches] == uids
    assert all("InstanceNumber" not in match for match in matches)


def test_it_gives_its_matches_in_another_order_each_time(
    pacs: FaultyPacs, images_of: dict[str, str], uids: list[str]
) -> None:
    pacs.behave(Shuffles())
    orders = [[str(match.SOPInstanceUID) for match in findscu(pacs.peer, images_of)] for _ in range(3)]
    assert all(sorted(order) == sorted(uids) for order in orders)
    assert len({tuple(order) for order in orders}) > 1


def test_it_says_whether_it_is_online_where_it_is_asked(pacs: FaultyPacs, study: dict[str, str]) -> None:
    pacs.behave(TellsAvailability(availability="NEARLINE"))
    keys = {**study, "QueryRetrieveLevel": "STUDY"}
    (match,) = findscu(pacs.peer, {**keys, "InstanceAvailability": ""})
    assert match.InstanceAvailability == "NEARLINE"
    (match,) = findscu(pacs.peer, keys)
    assert "InstanceAvailability" not in match
