"""What happens to a study, in any order and more than once, and what its record and list are then."""

from dataclasses import replace
from itertools import permutations
from typing import Any, Literal

import pytest

from isthmus.common.config import Conflicts
from isthmus.common.inbox.contents import Contents
from isthmus.common.inbox.merge import ENDED, MOST_REPORTED, MOST_REPORTS, Happened, Merged, merge
from isthmus.common.inbox.state import SILENT_SECONDS, Arrival, Phase, StudyState
from isthmus.common.messages import AssociationEnded, InstancesReported
from isthmus.common.messages.events import Blob, InstanceEvent

EMPTY = StudyState("inbox", "1.2")
PATIENT_ID, PATIENT_NAME, MODALITY, NUMBER = "00100020", "00100010", "00080060", "00200013"


def attributes(number: int = 1, patient: str | None = "4711", modality: str = "CT") -> dict[str, Any]:
    given: dict[str, Any] = {
        MODALITY: {"vr": "CS", "Value": [modality]},
        NUMBER: {"vr": "IS", "Value": [number]},
    }
    return given | ({PATIENT_ID: {"vr": "LO", "Value": [patient]}} if patient is not None else {})


def stored(
    instance: str = "1.2.1.1",
    time: float = 1.0,
    *,
    digest: str = "aa",
    series: str = "1.2.1",
    size: int = 10,
    association: str | None = "one",
    conflict: Literal["newest", "first"] | None = None,
    given: dict[str, Any] | None = None,
    traceparent: str | None = None,
) -> Happened:
    blob = Blob("isthmus", f"inbox/inbox/1.2/{series}/{instance}/{digest}.dcm", size)
    event = InstanceEvent(
        origin="inbox",
        study="1.2",
        series=series,
        instance=instance,
        sop_class="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax="1.2.840.10008.1.2.1",
        digest=digest,
        blob=blob,
        url="http://gateway/aets/inbox",
        attributes=given if given is not None else attributes(),
        calling_ae_title="CT1",
        association=association,
        conflict=conflict,
    )
    return Happened(event, time, traceparent)


def ended(association: str = "one", time: float = 9.0) -> Happened:
    return Happened(AssociationEnded("inbox", "1.2", association), time)


def reported(*instances: str, report: str = "9.1", final: bool = True) -> Happened:
    return Happened(InstancesReported("inbox", "1.2", report, instances, final), 5.0)


def merged(*happened: Happened, state: StudyState = EMPTY, conflicts: Conflicts = Conflicts.NEWEST) -> Merged:
    return merge(state, Contents(), happened, conflicts)


def then(before: Merged, *happened: Happened, conflicts: Conflicts = Conflicts.NEWEST) -> Merged:
    return merge(before.state, before.contents, happened, conflicts)


def settled(before: Merged) -> Merged:
    arrival = replace(before.state.arrival, phase=Phase.SETTLED, revision=before.state.arrival.revision + 1)
    return replace(before, state=replace(before.state, arrival=arrival))


def test_an_instance_makes_a_record_and_a_row() -> None:
    after = merged(stored(size=10), stored("1.2.2.1", 2.0, series="1.2.2", size=5))
    state, rows = after.state, after.contents.rows
    assert (state.instances, state.size) == (2, 15)
    assert [(one.uid, one.instances, one.size) for one in state.series] == [("1.2.1", 1, 10), ("1.2.2", 1, 5)]
    assert state.attributes == {PATIENT_ID: {"vr": "LO", "Value": ["4711"]}}
    assert state.series[0].attributes == {MODALITY: {"vr": "CS", "Value": ["CT"]}}
    assert rows["1.2.1.1"].attributes == {NUMBER: {"vr": "IS", "Value": [1]}}
    assert (rows["1.2.1.1"].digest, rows["1.2.1.1"].stored, rows["1.2.1.1"].revision) == ("aa", 1.0, 1)
    assert (state.arrival.phase, state.arrival.last_stored) == (Phase.COLLECTING, 2.0)
    assert state.arrival.calling_ae_titles == ("CT1",)


def test_the_same_again_changes_nothing() -> None:
    before = settled(merged(stored(), ended()))
    after = then(before, stored(time=50.0, association="two"), ended())
    assert after.state == before.state
    assert after.contents is before.contents


def test_what_comes_after_an_event_is_of_the_next_one() -> None:
    after = then(settled(merged(stored())), stored("1.2.1.2", 2.0))
    assert {uid: row.revision for uid, row in after.contents.rows.items()} == {"1.2.1.1": 1, "1.2.1.2": 2}
    assert after.state.arrival.phase is Phase.COLLECTING


@pytest.mark.parametrize(("policy", "read"), [("newest", "bb"), ("first", "aa")])
def test_one_of_two_contents_is_read_whichever_is_told_first(
    policy: Literal["newest", "first"], read: str
) -> None:
    first, second = stored(digest="aa", time=1.0), stored(digest="bb", time=2.0, conflict=policy)
    for order in permutations((first, second)):
        after = merged(*order, conflicts=Conflicts(policy))
        (row,) = after.contents.rows.values()
        assert row.digest == read
        assert [other.key.split("/")[-1] for other in row.others] == [{"aa": "bb", "bb": "aa"}[read] + ".dcm"]
        assert after.state.arrival.conflicts == ("instance",)
        assert after.state.instances == 1


def test_both_contents_again_change_nothing() -> None:
    both = (stored(digest="aa"), stored(digest="bb", time=2.0, conflict="newest"))
    before = merged(*both)
    after = then(before, *both)
    assert (after.state, after.contents) == (before.state, before.contents)


def test_the_size_is_that_of_what_is_read() -> None:
    after = merged(stored(size=10), stored(digest="bb", time=2.0, size=7, conflict="newest"))
    assert (after.state.size, after.state.series[0].size) == (7, 7)


def test_an_instance_that_moves_to_another_series_leaves_none_behind() -> None:
    after = merged(stored(), stored(digest="bb", time=2.0, series="1.2.7", conflict="newest"))
    assert [one.uid for one in after.state.series] == ["1.2.7"]


def test_what_stays_unread_is_no_news_after_the_event() -> None:
    before = settled(merged(stored()))
    after = then(before, stored(digest="bb", time=2.0, conflict="first"), conflicts=Conflicts.FIRST)
    assert after.state.arrival.phase is Phase.SETTLED
    assert len(after.contents.rows["1.2.1.1"].others) == 1


def test_the_record_describes_the_study_as_its_newest_instance_does() -> None:
    newer = stored("1.2.1.2", 3.0, given=attributes() | {PATIENT_NAME: {"vr": "PN"}})
    older = stored("1.2.1.3", 2.0)
    for order in permutations((newer, older)):
        assert PATIENT_NAME in merged(*order).state.attributes


@pytest.mark.parametrize(
    ("patients", "conflicts"),
    [
        (("1", "2"), ("patient",)),
        (("1", "1 "), ()),
        (("1", None), ()),
        (("1", None, "2"), ("patient",)),
        ((None, None), ()),
    ],
)
def test_more_than_one_patient_id_is_a_conflict(
    patients: tuple[str | None, ...], conflicts: tuple[str, ...]
) -> None:
    instances = [
        stored(f"1.2.1.{n}", float(n), given=attributes(n, patient)) for n, patient in enumerate(patients)
    ]
    assert merged(*instances).state.arrival.conflicts == conflicts
    assert then(merged(*instances[:1]), *instances[1:]).state.arrival.conflicts == conflicts


def test_an_association_is_open_until_it_ends() -> None:
    before = merged(stored(time=1.0), stored("1.2.1.2", 3.0))
    assert before.state.arrival.associations == {"one": 3.0}
    assert then(before, ended()).state.arrival.associations == {}


def test_an_association_that_is_known_to_have_ended_does_not_open_again() -> None:
    after = then(merged(ended()), stored())
    assert after.state.arrival.associations == {}
    assert after.state.instances == 1


def test_not_all_that_ended_is_remembered() -> None:
    after = merged(*(ended(str(n)) for n in range(ENDED + 10)))
    assert len(after.state.arrival.ended) == ENDED
    assert after.state.arrival.ended[-1] == str(ENDED + 9)


def test_what_came_by_http_has_no_association() -> None:
    assert merged(stored(association=None)).state.arrival.associations == {}


def test_of_a_report_it_is_kept_what_is_not_here() -> None:
    after = merged(stored(), reported("1.2.1.1", "1.2.1.2"))
    assert after.state.arrival.reports == {"9.1": ("1.2.1.2",)}
    assert then(after, stored("1.2.1.2")).state.arrival.reports == {"9.1": ()}


def test_a_report_in_progress_may_name_more() -> None:
    before = merged(reported("1.2.1.1", final=False))
    assert before.state.arrival.unfinished_reports == ("9.1",)
    after = then(before, reported("1.2.1.1", "1.2.1.2"))
    assert after.state.arrival.unfinished_reports == ()
    assert after.state.arrival.reports == {"9.1": ("1.2.1.1", "1.2.1.2")}
    assert then(after, reported("1.2.1.1", final=False)).state == after.state


def test_a_step_that_made_nothing_says_nothing() -> None:
    after = then(merged(reported(final=False)), reported())
    assert (after.state.arrival.reports, after.state.arrival.unfinished_reports) == ({}, ())


def test_a_report_that_names_too_many_is_never_final() -> None:
    after = merged(reported(*(f"1.2.{n}" for n in range(MOST_REPORTED + 1))))
    assert after.state.arrival.reports == {"9.1": ()}
    assert after.state.arrival.unfinished_reports == ("9.1",)


def test_instances_that_no_report_named_are_counted_in_any_order() -> None:
    happened = (stored("1.2.1.1"), stored("1.2.1.2"), stored("1.2.1.3"), reported("1.2.1.1", "1.2.1.3"))
    for order in permutations(happened):
        after = merged(*order)
        assert after.state.arrival.unnamed == 1
        assert after.state.arrival.reports == {"9.1": ()}


def test_what_a_report_named_stays_named() -> None:
    before = merged(stored("1.2.1.1"), reported("1.2.1.1", report="9.1", final=False))
    again = then(before, reported(report="9.1"), stored("1.2.1.1", 3.0, digest="bb", conflict="newest"))
    assert again.state.arrival.unnamed == 0
    assert again.contents.rows["1.2.1.1"].digest == "bb"


def test_a_report_of_what_was_told_changes_the_list_and_is_no_news() -> None:
    after = then(settled(merged(stored())), reported("1.2.1.1"))
    assert after.contents.rows["1.2.1.1"].is_named
    assert (after.state.arrival.phase, after.state.arrival.unnamed) == (Phase.SETTLED, 0)
    assert then(after, reported("1.2.1.1")).contents is after.contents


def test_associations_that_can_delay_nothing_any_more_are_forgotten() -> None:
    before = merged(*(stored(f"1.2.1.{n}", 1.0 + n, association=f"a{n}") for n in range(3)))
    after = then(before, stored("1.2.1.9", 2.0 + SILENT_SECONDS, association="last"))
    assert set(after.state.arrival.associations) == {"a2", "last"}


def test_of_more_reports_than_are_remembered_none_is_final() -> None:
    after = merged(stored(), *(reported("1.2.1.1", report=f"9.{n}") for n in range(MOST_REPORTS + 10)))
    assert len(after.state.arrival.reports) <= MOST_REPORTS
    assert after.state.arrival.unfinished_reports


def test_the_trace_is_that_of_the_last_instance() -> None:
    after = merged(stored(traceparent="00-a"), stored("1.2.1.2", traceparent="00-b"), stored("1.2.1.3"))
    assert after.state.arrival.traceparent == "00-b"


def test_what_is_told_without_an_instance_leaves_an_empty_list() -> None:
    after = merged(reported("1.2.1.1"), ended())
    assert after.contents == Contents()
    assert (after.state.instances, after.state.series) == (0, ())
    assert after.state.arrival == Arrival(ended=("one",), reports={"9.1": ("1.2.1.1",)})
