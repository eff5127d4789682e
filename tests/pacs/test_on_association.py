"""What it does to associations and connections."""

import socket
from pathlib import Path

import pytest
from pynetdicom import AE
from pynetdicom.association import Association

from tests.data_sets import identity
from tests.pacs import (
    AbortsAfter,
    BreaksOffInDataSet,
    DropsIdleAssociation,
    FaultyPacs,
    ForgetsAssociation,
    Kind,
    Operation,
    QueuesAssociation,
    RefusesAssociation,
)
from tests.peers import echoscu, findscu, getscu

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
VERIFICATION = "1.2.840.10008.1.1"


def associated(pacs: FaultyPacs, *, timeout: float = 2.0) -> Association:
    ae = AE("TESTER")
    ae.acse_timeout = ae.dimse_timeout = timeout
    ae.add_requested_context(VERIFICATION)
    return ae.associate(pacs.peer.host, pacs.peer.port, ae_title=pacs.peer.ae_title)


def test_it_refuses_an_association_beyond_those_that_it_allows(pacs: FaultyPacs) -> None:
    pacs.behave(RefusesAssociation(beyond=1))
    first = associated(pacs)
    assert first.is_established
    assert associated(pacs).is_rejected
    first.release()
    pacs.wait_until_closed()
    assert echoscu(pacs.peer).code == 0


def test_it_never_answers_the_request_for_one_more(pacs: FaultyPacs) -> None:
    pacs.behave(QueuesAssociation(beyond=1))
    first = associated(pacs)
    second = associated(pacs, timeout=1)
    assert first.is_established
    assert not second.is_established
    assert not second.is_rejected
    assert len(pacs.events(Kind.KEPT_WAITING)) == 1
    first.release()


def test_it_forgets_an_association_after_one_operation(pacs: FaultyPacs) -> None:
    pacs.behave(ForgetsAssociation())
    association = associated(pacs, timeout=2)
    assert association.send_c_echo().Status == 0
    assert "Status" not in association.send_c_echo()
    pacs.wait_until_closed()
    assert [event.operation for event in pacs.events(Kind.ENDED)] == [Operation.ECHO]


def test_it_closes_the_connection_after_an_operation(pacs: FaultyPacs, study: dict[str, str]) -> None:
    pacs.behave(DropsIdleAssociation())
    assert len(findscu(pacs.peer, study)) == 1
    pacs.wait_until_closed()


@pytest.mark.parametrize("reset", [False, True])
def test_it_breaks_off_in_the_middle_of_a_data_set(
    reset: bool, pacs: FaultyPacs, study: dict[str, str], uids: list[str], tmp_path: Path
) -> None:
    pacs.behave(BreaksOffInDataSet(instances=2, reset=reset))
    assert getscu(pacs.peer, tmp_path, study).code != 0
    assert pacs.sent() == uids[:2]
    whole = [file for file in tmp_path.iterdir() if identity(file).sop_instance_uid in uids[:2]]
    assert len(whole) == 2
    pacs.wait_until_closed()


def test_it_resets_the_connection_between_instances(
    pacs: FaultyPacs, study: dict[str, str], uids: list[str], tmp_path: Path
) -> None:
    pacs.behave(AbortsAfter(instances=1, reset=True))
    assert getscu(pacs.peer, tmp_path, study).code != 0
    assert pacs.sent() == uids[:1]


def test_who_comes_without_a_word_of_dicom_is_no_association(pacs: FaultyPacs) -> None:
    socket.create_connection((pacs.peer.host, pacs.peer.port)).close()
    assert echoscu(pacs.peer).code == 0
    assert pacs.associations() == 1
