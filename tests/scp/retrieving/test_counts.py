"""The counters of sub-operations, and the status that they make (PS3.4 C.4.2.3.1)."""

import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from isthmus.common.dimse.identifiers import failed_sop_instance_uids
from isthmus.scp.asked import SubOperationCounts
from isthmus.scp.retrieving.counts import LONGEST_LIST, Counts

SUCCESS, COERCED, REFUSED = 0x0000, 0xB000, 0xA700


def counted(*statuses: int) -> Counts:
    counts = Counts()
    for number, status in enumerate(statuses):
        counts.note(f"1.2.{number}", status)
    return counts


@pytest.mark.parametrize(
    ("statuses", "final"),
    [
        ((), 0x0000),
        ((SUCCESS, SUCCESS), 0x0000),
        ((SUCCESS, COERCED), 0xB000),
        ((SUCCESS, REFUSED), 0xB000),
        ((COERCED, REFUSED), 0xB000),
        ((REFUSED, REFUSED), 0xA702),
    ],
)
def test_the_final_status(statuses: tuple[int, ...], final: int) -> None:
    assert counted(*statuses).status() == final


def test_what_remains_is_told_once_it_is_known() -> None:
    counts = counted(SUCCESS, COERCED, REFUSED)
    assert counts.of_pending() == SubOperationCounts(None, 1, 1, 1)
    counts.total = 5
    assert counts.of_pending() == SubOperationCounts(2, 1, 1, 1)
    assert counts.of_final() == SubOperationCounts(None, 1, 1, 1)


def test_more_than_were_listed_leave_nothing() -> None:
    counts = counted(SUCCESS, SUCCESS)
    counts.total = 1
    assert counts.of_pending().remaining == 0


def test_counters_end_where_their_field_does() -> None:
    counts = Counts()
    counts.completed = 70_000
    counts.total = 200_000
    assert counts.of_pending() == SubOperationCounts(65535, 65535, 0, 0)


def test_an_instance_that_fails_twice_is_one() -> None:
    counts = Counts()
    counts.note_failed(["1.2", "1.3"])
    counts.note_failed(["1.2"])
    assert counts.failed == 2


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("count", [1, 2, 40])
def test_the_list_of_what_failed(syntax: str, count: int) -> None:
    counts = counted(*[REFUSED] * count)
    identifier = counts.identifier(syntax)
    assert identifier is not None
    assert failed_sop_instance_uids(identifier, syntax) == tuple(f"1.2.{n}" for n in range(count))


def test_without_failures_there_is_no_list() -> None:
    assert counted(SUCCESS).identifier(ExplicitVRLittleEndian) is None


def test_over_long_uids_are_named_as_they_are() -> None:
    counts = Counts()
    counts.note_failed(["1.2." + "3" * 71])
    identifier = counts.identifier(ExplicitVRLittleEndian)
    assert identifier is not None
    assert failed_sop_instance_uids(identifier, ExplicitVRLittleEndian) == ("1.2." + "3" * 71,)


def test_a_list_that_is_too_long_is_cut_between_two_uids() -> None:
    counts = Counts()
    uids = [f"1.2.{number}" + "0" * 50 for number in range(2_000)]
    counts.note_failed(uids)
    identifier = counts.identifier(ExplicitVRLittleEndian)
    assert identifier is not None
    assert len(identifier) <= LONGEST_LIST + 8
    named = failed_sop_instance_uids(identifier, ExplicitVRLittleEndian)
    assert list(named) == uids[: len(named)]
    assert counts.failed == 2_000
