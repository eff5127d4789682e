"""What it does to C-GET and C-MOVE as a whole: refuse, lie, stop, go on."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_context, build_role, evt

from tests.data_sets import identity
from tests.pacs import (
    AbortsWhenCancelled,
    FailsRetrieve,
    FailsSuboperations,
    FaultyPacs,
    IgnoresCancel,
    Kind,
    RefusesCompressed,
    SaysNothingMeanwhile,
    SaysSuccess,
    SendsAnother,
    SendsOnlyWhereCompressedIsOffered,
    SeriesIsOffline,
    Slow,
    StopsAtFailure,
    SuccessWithNothingSent,
)
from tests.pacs.conftest import COUNT
from tests.peers import Storescp, getscu, movescu

STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
CT = "1.2.840.10008.5.1.4.1.1.2"
BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
EXPLICIT = "1.2.840.10008.1.2.1"
RLE = "1.2.840.10008.1.2.5"


def ended(pacs: FaultyPacs) -> list[int | None]:
    return [event.status for event in pacs.events(Kind.ENDED)]


def responses(pacs: FaultyPacs, study: dict[str, str], *contexts: tuple[str, str]) -> list[Dataset]:
    """Ask by C-GET with these contexts, and give the responses."""
    ae = AE("TESTER")
    ae.requested_contexts = [build_context(STUDY_ROOT_GET), *(build_context(*pair) for pair in contexts)]
    roles = [build_role(name, scp_role=True) for name in dict.fromkeys(name for name, _ in contexts)]
    association = ae.associate(
        pacs.peer.host,
        pacs.peer.port,
        ae_title=pacs.peer.ae_title,
        ext_neg=list(roles),
        evt_handlers=[(evt.EVT_C_STORE, lambda _: 0)],
    )
    keys = Dataset()
    for keyword, value in study.items():
        setattr(keys, keyword, value)
    statuses = [status for status, _ in association.send_c_get(keys, STUDY_ROOT_GET)]
    association.release()
    return statuses


@pytest.mark.parametrize(
    ("behaviour", "level", "status"),
    [
        (FailsRetrieve(status=0xA900), "STUDY", 0xA900),
        (FailsRetrieve(status=0xA900, levels=["SERIES"]), "SERIES", 0xA900),
        (FailsRetrieve(status=0xA900, levels=["SERIES"]), "STUDY", 0x0000),
        (FailsRetrieve(status=0xA900, only_lists=True), "IMAGE", 0xA900),
        (FailsRetrieve(status=0xA900, only_lists=True), "STUDY", 0x0000),
    ],
)
def test_it_fails_some_kinds_of_retrieves(
    behaviour: FailsRetrieve,
    level: str,
    status: int,
    pacs: FaultyPacs,
    study: dict[str, str],
    images: list[Path],
    uids: list[str],
    tmp_path: Path,
) -> None:
    pacs.behave(behaviour)
    keys = {**study, "QueryRetrieveLevel": level}
    if level != "STUDY":
        keys["SeriesInstanceUID"] = identity(images[0]).series_instance_uid
    if level == "IMAGE":
        keys["SOPInstanceUID"] = "\\".join(uids[:2])
    getscu(pacs.peer, tmp_path, keys)
    assert ended(pacs) == [status]
    assert bool(list(tmp_path.iterdir())) is (status == 0)


@pytest.mark.parametrize(
    ("only_without_pixels", "contexts", "status"),
    [
        (False, [(CT, EXPLICIT)], 0x0000),
        (False, [(CT, EXPLICIT), (CT, RLE)], 0xA702),
        (True, [(CT, EXPLICIT), (CT, RLE)], 0x0000),
        (True, [(CT, EXPLICIT), (BASIC_TEXT_SR, RLE)], 0xA702),
    ],
)
def test_it_fails_where_compressed_syntaxes_are_offered(
    only_without_pixels: bool,
    contexts: list[tuple[str, str]],
    status: int,
    pacs: FaultyPacs,
    study: dict[str, str],
) -> None:
    pacs.behave(RefusesCompressed(only_without_pixels=only_without_pixels))
    assert responses(pacs, study, *contexts)[-1].Status == status


@pytest.mark.parametrize(("syntaxes", "count"), [([EXPLICIT], 0), ([EXPLICIT, RLE], COUNT)])
def test_it_sends_only_where_compressed_syntaxes_are_offered(
    syntaxes: list[str], count: int, pacs: FaultyPacs, study: dict[str, str]
) -> None:
    pacs.behave(SendsOnlyWhereCompressedIsOffered())
    last = responses(pacs, study, *((CT, syntax) for syntax in syntaxes))[-1]
    assert (last.Status, last.NumberOfCompletedSuboperations) == (0, count)


@pytest.mark.parametrize(
    ("counters", "told"), [("true", (3, 1)), ("wrong", (4, 0)), ("absent", (None, None))]
)
def test_it_says_success_though_sub_operations_failed(
    counters: str,
    told: tuple[int | None, int | None],
    pacs: FaultyPacs,
    study: dict[str, str],
    uids: list[str],
) -> None:
    says = {"true": SaysSuccess(), "wrong": SaysSuccess(counters="wrong")}
    behaviour = says.get(counters, SaysSuccess(counters="absent"))
    pacs.behave(FailsSuboperations(statuses={uids[1]: 0xC000}), behaviour)
    last = responses(pacs, study, (CT, EXPLICIT))[-1]
    assert last.Status == 0
    counts = (last.get("NumberOfCompletedSuboperations"), last.get("NumberOfFailedSuboperations"))
    assert counts == told


def test_it_stops_at_the_first_failure_with_counters_that_do_not_add_up(
    pacs: FaultyPacs, study: dict[str, str], uids: list[str]
) -> None:
    pacs.behave(FailsSuboperations(statuses={uids[1]: 0xC000}), StopsAtFailure())
    last = responses(pacs, study, (CT, EXPLICIT))[-1]
    assert last.Status == 0xC000
    assert (last.NumberOfCompletedSuboperations, last.NumberOfFailedSuboperations) == (1, 1)
    assert pacs.sent() == uids[:1]


def test_it_sends_nothing_where_too_much_is_asked_for(
    pacs: FaultyPacs, study: dict[str, str], uids: list[str], tmp_path: Path
) -> None:
    pacs.behave(SuccessWithNothingSent(beyond=2))
    assert getscu(pacs.peer, tmp_path, study).code == 0
    assert pacs.sent() == []
    getscu(
        pacs.peer,
        tmp_path,
        {**study, "QueryRetrieveLevel": "IMAGE", "SOPInstanceUID": "\\".join(uids[:2])},
    )
    assert pacs.sent() == uids[:2]


def test_it_sends_nothing_of_a_series_that_is_offline(
    pacs: FaultyPacs, study: dict[str, str], images: list[Path], tmp_path: Path
) -> None:
    pacs.behave(SeriesIsOffline(series_instance_uid=identity(images[0]).series_instance_uid))
    assert getscu(pacs.peer, tmp_path, study).code == 0
    assert ended(pacs) == [0]
    assert pacs.sent() == []


def test_it_sends_an_instance_of_another_study_in_between(
    pacs: FaultyPacs, study: dict[str, str], uids: list[str], others: list[Path], tmp_path: Path
) -> None:
    other = identity(others[0]).sop_instance_uid
    pacs.behave(SendsAnother(sop_instance_uid=other))
    responses(pacs, study, (CT, EXPLICIT), (CT, RLE))
    assert pacs.sent() == [*uids[:-1], other, uids[-1]]


def test_it_sends_no_pending_responses(pacs: FaultyPacs, study: dict[str, str]) -> None:
    assert len(responses(pacs, study, (CT, EXPLICIT))) == COUNT + 1
    pacs.behave(SaysNothingMeanwhile())
    assert len(responses(pacs, study, (CT, EXPLICIT))) == 1


@pytest.mark.parametrize(("instances", "sent", "status"), [(None, COUNT, 0x0000), (2, 3, 0xFE00)])
def test_it_goes_on_after_a_cancel(
    instances: int | None,
    sent: int,
    status: int,
    pacs: FaultyPacs,
    study: dict[str, str],
    storescp: Storescp,
) -> None:
    pacs.behave(IgnoresCancel(instances=instances), Slow(seconds=0.2))
    movescu(pacs.peer, "STORESCP", study, cancel_after=1)
    assert pacs.cancels() == 1
    assert len(pacs.sent()) == sent == len(storescp.datasets())
    assert ended(pacs) == [status]


def test_it_aborts_some_time_after_a_cancel(
    pacs: FaultyPacs, study: dict[str, str], storescp: Storescp
) -> None:
    pacs.behave(AbortsWhenCancelled(seconds=0.2), Slow(seconds=0.2))
    outcome = movescu(pacs.peer, "STORESCP", study, cancel_after=1)
    assert "Peer aborted Association" in outcome.log
    assert len(storescp.datasets()) == 1
    assert ended(pacs) == []
