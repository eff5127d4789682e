"""The fault-injecting PACS: a good one as it starts, and each way in which it can be a bad one."""

from pathlib import Path

import pytest

from tests.data_sets import identity, raw_dataset
from tests.pacs import (
    AbortsAfter,
    FailsSuboperations,
    FaultyPacs,
    FindFails,
    IgnoresMatchingKeys,
    Kind,
    Operation,
    RefusesAssociation,
    SendsTwice,
    Silent,
    Slow,
    StoreStatus,
    SuccessWithNothingSent,
)
from tests.pacs.conftest import COUNT
from tests.peers import (
    PeerDied,
    Storescp,
    echoscu,
    findscu,
    getscu,
    movescu,
    storescu,
)


def test_it_refuses_associations(pacs: FaultyPacs) -> None:
    pacs.behave(RefusesAssociation())
    outcome = echoscu(pacs.peer)
    assert outcome.code != 0
    assert "Rejected Transient" in outcome.log
    assert pacs.events(Kind.REJECTED)
    assert pacs.associations() == 0


def test_a_behaviour_can_apply_to_the_first_operations_only(pacs: FaultyPacs) -> None:
    pacs.behave(RefusesAssociation(times=1))
    assert [echoscu(pacs.peer).code == 0 for _ in range(3)] == [False, True, True]


@pytest.mark.parametrize("sent", [0, 2, COUNT])
def test_it_aborts_a_retrieve_after_some_instances(
    sent: int, pacs: FaultyPacs, study: dict[str, str], uids: list[str], tmp_path: Path
) -> None:
    pacs.behave(AbortsAfter(instances=sent))
    assert "Peer aborted Association" in getscu(pacs.peer, tmp_path, study).log
    assert pacs.sent() == uids[:sent]
    assert {identity(file).sop_instance_uid for file in tmp_path.iterdir()} == set(uids[:sent])


def test_it_fails_some_suboperations(
    pacs: FaultyPacs, study: dict[str, str], uids: list[str], storescp: Storescp
) -> None:
    pacs.behave(FailsSuboperations(statuses={uids[1]: 0xA700, uids[2]: 0xC000}))
    outcome = movescu(pacs.peer, "STORESCP", study)
    assert set(storescp.datasets()) == {uids[0], uids[3]}
    assert [event.status for event in pacs.events(Kind.ENDED)] == [0xB000]
    assert rf"[{uids[1]}\{uids[2]}]" in outcome.log


def test_it_says_success_and_sends_nothing(pacs: FaultyPacs, study: dict[str, str], tmp_path: Path) -> None:
    pacs.behave(SuccessWithNothingSent())
    assert getscu(pacs.peer, tmp_path, study).code == 0
    assert list(tmp_path.iterdir()) == []
    assert [event.status for event in pacs.events(Kind.ENDED)] == [0x0000]


def test_it_ignores_matching_keys_but_not_the_hierarchy(pacs: FaultyPacs, study: dict[str, str]) -> None:
    keys = {**study, "PatientName": "Nobody", "Modality": ""}
    assert findscu(pacs.peer, keys) == []
    pacs.behave(IgnoresMatchingKeys())
    assert len(findscu(pacs.peer, keys)) == 1
    pacs.behave(IgnoresMatchingKeys(keywords=["PatientBirthDate"]))
    assert findscu(pacs.peer, keys) == []


def test_it_sends_one_instance_twice(
    pacs: FaultyPacs, study: dict[str, str], uids: list[str], storescp: Storescp
) -> None:
    pacs.behave(SendsTwice(sop_instance_uid=uids[2]))
    assert movescu(pacs.peer, "STORESCP", study).code == 0
    assert pacs.sent() == [uids[0], uids[1], uids[2], uids[2], uids[3]]
    assert {uid: len(copies) for uid, copies in storescp.datasets().items()}[uids[2]] == 2


def test_it_accepts_the_association_and_stays_silent_until_the_client_leaves(pacs: FaultyPacs) -> None:
    pacs.behave(Silent())
    outcome = echoscu(pacs.peer, timeout_seconds=2)
    assert outcome.code != 0
    assert "Association Accepted" in outcome.log
    pacs.wait_until_closed()
    assert [event.operation for event in pacs.operations()] == [Operation.ECHO]
    assert pacs.events(Kind.ENDED) == []


def test_it_fails_a_query_after_some_matches(pacs: FaultyPacs) -> None:
    pacs.behave(FindFails(status=0xA700, matches=1))
    with pytest.raises(AssertionError):
        findscu(pacs.peer, {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""})
    assert [event.status for event in pacs.events(Kind.ENDED)] == [0xA700]


def test_it_answers_a_store_with_a_status_for_each_instance(
    pacs: FaultyPacs, images: list[Path], uids: list[str]
) -> None:
    pacs.behave(
        StoreStatus(status=0xA700, instances=uids[:1]), StoreStatus(status=0xB000, instances=uids[1:2])
    )
    storescu(pacs.peer, images)
    assert [event.status for event in pacs.events(Kind.ENDED)] == [0xA700, 0xB000, 0x0000, 0x0000]
    assert set(pacs.stored()) == set(uids[1:])


def test_a_cancel_ends_a_slow_retrieve(
    pacs: FaultyPacs, study: dict[str, str], uids: list[str], storescp: Storescp
) -> None:
    pacs.behave(Slow(seconds=0.3))
    movescu(pacs.peer, "STORESCP", study, cancel_after=1)
    assert pacs.cancels() == 1
    assert pacs.sent() == uids[:1] == list(storescp.datasets())
    assert [event.status for event in pacs.events(Kind.ENDED)] == [0xFE00]


def test_a_test_that_waits_for_a_dead_pacs_is_told_so(images: list[Path]) -> None:
    with FaultyPacs(images) as pacs:
        pacs.kill()
        with pytest.raises(PeerDied):
            pacs.wait_for(lambda event: event.kind is Kind.OPENED)


def test_a_test_that_waits_in_vain_is_told_so(pacs: FaultyPacs) -> None:
    with pytest.raises(TimeoutError):
        pacs.wait_for(lambda event: event.kind is Kind.OPENED, timeout_seconds=0.01)


def test_a_move_to_an_unknown_destination_fails(pacs: FaultyPacs, study: dict[str, str]) -> None:
    movescu(pacs.peer, "ELSEWHERE", study)
    assert [event.status for event in pacs.events(Kind.ENDED)] == [0xA801]


def test_a_move_to_a_destination_that_is_away_fails(pacs: FaultyPacs, study: dict[str, str]) -> None:
    movescu(pacs.peer, "NOBODY", study)
    assert [event.status for event in pacs.events(Kind.ENDED)] == [0xA702]


def test_a_get_without_a_context_for_the_transfer_syntax_fails(
    pacs: FaultyPacs, others: list[Path], tmp_path: Path
) -> None:
    compressed = identity(others[0]).study_instance_uid
    getscu(pacs.peer, tmp_path, {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": compressed})
    assert list(tmp_path.iterdir()) == []
    assert [event.status for event in pacs.events(Kind.ENDED)] == [0xA702]


def test_it_finds_on_each_level(pacs: FaultyPacs, images: list[Path], study: dict[str, str]) -> None:
    (found,) = findscu(pacs.peer, {**study, "NumberOfStudyRelatedInstances": "", "ModalitiesInStudy": ""})
    assert (found.NumberOfStudyRelatedInstances, found.ModalitiesInStudy) == (COUNT, "CT")
    (series,) = findscu(pacs.peer, {**study, "QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": ""})
    assert series.SeriesInstanceUID == identity(images[0]).series_instance_uid
    assert len(findscu(pacs.peer, {**study, "QueryRetrieveLevel": "IMAGE", "SOPInstanceUID": ""})) == COUNT


@pytest.mark.parametrize(
    ("keyword", "value", "found"),
    [
        ("PatientName", "implanted^*", True),
        ("PatientName", "*[M]*", False),
        ("PatientID", "IMPLANTED-?", True),
        ("PatientID", "implanted-0", False),
        ("StudyDate", "20240201-20240229", True),
        ("StudyDate", "20240301-", False),
        ("StudyDate", "-20240228", False),
        ("AccessionNumber", "A0", True),
        ("InstanceNumber", "003", True),
        ("RequestAttributesSequence[0].ScheduledProcedureStepID", "", True),
        ("RequestAttributesSequence[0].ScheduledProcedureStepID", "S1", False),
    ],
)
def test_it_matches_by_wildcard_range_number_and_item(
    keyword: str, value: str, found: bool, pacs: FaultyPacs, study: dict[str, str]
) -> None:
    keys = {**study, "QueryRetrieveLevel": "IMAGE", "SOPInstanceUID": "", keyword: value}
    assert bool(findscu(pacs.peer, keys)) is found


def test_a_list_of_uids_selects_instances(
    pacs: FaultyPacs, study: dict[str, str], uids: list[str], tmp_path: Path
) -> None:
    keys = {**study, "QueryRetrieveLevel": "IMAGE", "SOPInstanceUID": "\\".join(uids[1:3])}
    assert getscu(pacs.peer, tmp_path, keys).code == 0
    assert pacs.sent() == uids[1:3]


def test_a_destination_that_breaks_off_is_a_failure_of_all_suboperations(
    pacs: FaultyPacs, others: list[Path]
) -> None:
    # DCMTK aborts when a command has a UID that is over-long.
    over_long = identity(others[-1])
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": over_long.study_instance_uid}
    movescu(pacs.peer, "STORESCP", keys)
    assert [event.status for event in pacs.events(Kind.ENDED)] == [0xA702]


def test_it_moves_every_byte_of_compressed_and_over_long_instances(others: list[Path]) -> None:
    with (
        FaultyPacs(ae_title="RECEIVER") as receiver,
        FaultyPacs(others, destinations=[receiver.peer]) as pacs,
    ):
        for uid in {identity(file).study_instance_uid for file in others}:
            movescu(pacs.peer, "RECEIVER", {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": uid})
        assert receiver.stored() == {identity(file).sop_instance_uid: [raw_dataset(file)] for file in others}


def test_it_keeps_every_byte_that_is_stored(pacs: FaultyPacs, images: list[Path]) -> None:
    assert storescu(pacs.peer, images).code == 0
    assert pacs.stored() == {identity(image).sop_instance_uid: [raw_dataset(image)] for image in images}


def test_it_tells_who_came_with_what(pacs: FaultyPacs, study: dict[str, str]) -> None:
    findscu(pacs.peer, {**study, "PatientID": "x"}, calling="ME")
    pacs.wait_until_closed()
    assert (pacs.associations(), pacs.associations_at_once()) == (1, 1)
    (opened,) = pacs.events(Kind.OPENED)
    assert opened.calling == "ME"
    assert [abstract for abstract, _ in pacs.contexts()[0]] == ["1.2.840.10008.5.1.4.1.2.2.1"]
    (query,) = pacs.operations(Operation.FIND)
    assert (query.level, query.keys["PatientID"]) == ("STUDY", "x")
