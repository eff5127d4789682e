"""Which studies need not stay, as far as their records and the settings tell."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from isthmus.arrivals.retention.records import Record
from isthmus.arrivals.retention.rules import TOMBSTONE_SECONDS, Fate, Judge
from isthmus.common.config import DimseOrigin, Inbox, Settings
from isthmus.common.config.arriving import Arrivals
from isthmus.common.inbox.state import Arrival, Phase, Removal, SeriesSummary, StudyState, Versioned
from isthmus.common.messages import Forwarded

NOW = 100 * 86_400.0
ARRIVED = Arrival(Phase.SETTLED, 1, "list", last_stored=NOW - 10 * 86_400.0, calling_ae_titles=("CT1",))
STUDY = StudyState(
    "inbox",
    "1.2",
    contents="list",
    instances=1,
    series=(SeriesSummary("1.2.3", {"00080060": {"vr": "CS", "Value": ["CT"]}}, 1, 1),),
    arrival=ARRIVED,
)


def judge(*rules: Mapping[str, Any], **inbox: object) -> Judge:
    origins: tuple[DimseOrigin | Inbox, ...] = (
        Inbox.model_validate({"name": "inbox", "protocol": "inbox", "ae_title": "INBOX", **inbox}),
        *(DimseOrigin(name=name, ae_title="PACS", port=104) for name in ("pacs", "archive")),
    )
    forward = [{"to": ["pacs"], **rule} for rule in rules]
    return Judge(Settings(origins=origins, arrivals=Arrivals.model_validate({"forward": forward})))


def fate(judge: Judge, state: StudyState = STUDY, written: float = NOW) -> Fate:
    return judge.fate(Record(Versioned(state, 1), written, "subject"), NOW)


def but(**arrival: object) -> StudyState:
    changed: dict[str, Any] = arrival
    return replace(STUDY, arrival=replace(ARRIVED, **changed))


def test_without_a_setting_everything_stays() -> None:
    assert fate(judge()) is Fate.STAYS
    assert fate(judge({})) is Fate.STAYS
    assert fate(judge(keep_days=1), replace(STUDY, origin="other")) is Fate.STAYS


def test_a_study_goes_when_nothing_came_for_so_many_days() -> None:
    assert fate(judge(keep_days=9.9)) is Fate.AGED
    assert fate(judge(keep_days=10.1)) is Fate.STAYS


@pytest.mark.parametrize(
    "state",
    [
        but(phase=Phase.COLLECTING),
        but(phase=Phase.PUBLISHING),
        but(announced="an older list"),
        replace(STUDY, removals=(Removal(1, 1),)),
    ],
)
def test_what_has_not_been_announced_stays(state: StudyState) -> None:
    assert fate(judge({}, keep_days=1, delete_forwarded=True), state) is Fate.STAYS


def test_what_is_forwarded_may_go() -> None:
    assert fate(judge({}, delete_forwarded=True)) is Fate.FORWARDED


@pytest.mark.parametrize(
    "rules",
    [
        [{"study_description": "CHEST"}],
        [{"each": "instance"}, {"calling_ae_title": "MR*"}],
        [{"calling_ae_title": "MR*"}],
        [{"modality": ["MR"]}],
    ],
)
def test_what_goes_nowhere_stays(rules: list[Mapping[str, Any]]) -> None:
    assert fate(judge(*rules, delete_forwarded=True)) is Fate.STAYS


def test_a_study_of_which_a_series_goes_nowhere_stays() -> None:
    mr = SeriesSummary("1.2.4", {"00080060": {"vr": "CS", "Value": ["MR"]}}, 1, 1)
    both = replace(STUDY, series=(*STUDY.series, mr))
    assert fate(judge({"modality": ["CT"]}, delete_forwarded=True), both) is Fate.STAYS
    rules = [{"modality": ["CT"]}, {"modality": ["MR"], "to": ["archive"]}]
    assert fate(judge(*rules, delete_forwarded=True), both) is Fate.FORWARDED


def test_a_study_with_several_contents_under_one_uid_stays_until_it_is_old() -> None:
    conflict = but(conflicts=("instance",))
    assert fate(judge({}, delete_forwarded=True), conflict) is Fate.STAYS
    assert fate(judge({}, delete_forwarded=True, keep_days=1), conflict) is Fate.AGED


@pytest.mark.parametrize(
    ("went", "is_there"),
    [
        ({}, False),
        ({"pacs": Forwarded(revision=1)}, False),
        ({"pacs": Forwarded(revision=1), "archive": Forwarded()}, False),
        ({"pacs": Forwarded(revision=1), "archive": Forwarded(revision=1)}, True),
        ({"pacs": Forwarded(revision=1, is_lacking=True), "archive": Forwarded(revision=1)}, False),
        ({"pacs": Forwarded(revision=1), "archive": Forwarded(revision=1, modalities=("MR",))}, False),
        ({"pacs": Forwarded(revision=1), "archive": Forwarded(revision=1, modalities=("CT", "MR"))}, True),
        (
            {
                "pacs": Forwarded(revision=1),
                "archive": Forwarded(revision=1),
                "former": Forwarded(is_lacking=True),
            },
            False,
        ),
    ],
)
def test_a_study_is_everywhere_when_each_destination_of_today_got_all(
    went: Mapping[str, Forwarded], is_there: bool
) -> None:
    both = judge({}, {"to": ["archive"]}, delete_forwarded=True)
    assert both.is_everywhere(STUDY, went) is is_there


def test_a_study_is_not_where_an_event_of_it_did_not_go() -> None:
    amended = but(revision=2)
    went = {"pacs": Forwarded(revision=1)}
    assert not judge({}, delete_forwarded=True).is_everywhere(amended, went)
    assert judge({}, delete_forwarded=True).is_everywhere(amended, {"pacs": Forwarded(revision=2)})


def test_a_study_that_no_rule_of_today_sends_anywhere_is_not_everywhere() -> None:
    nowhere = judge({"modality": ["MR"], "calling_ae_title": "MR*"}, delete_forwarded=True)
    assert not nowhere.is_everywhere(STUDY, {"pacs": Forwarded(revision=1)})


def test_the_record_of_a_deleted_study_goes_when_no_event_of_it_can_be_read() -> None:
    deleted = StudyState("inbox", "1.2", 1, arrival=Arrival(Phase.SETTLED))
    old = NOW - TOMBSTONE_SECONDS - 1
    assert fate(judge(), deleted, old) is Fate.TOMBSTONE
    assert fate(judge(), deleted, NOW - TOMBSTONE_SECONDS + 1) is Fate.STAYS
    assert fate(judge(), replace(deleted, removals=(Removal(1, 1),)), old) is Fate.STAYS
    assert fate(judge(), STUDY, old) is Fate.STAYS


def test_only_records_that_can_go_are_read() -> None:
    assert judge(keep_days=1).is_of_interest("inbox", 0.0)
    assert judge({}, delete_forwarded=True).is_of_interest("inbox", 0.0)
    assert not judge().is_of_interest("inbox", TOMBSTONE_SECONDS - 1)
    assert judge().is_of_interest("inbox", TOMBSTONE_SECONDS + 1)
