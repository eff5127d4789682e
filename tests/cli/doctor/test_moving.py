"""What is said of a C-MOVE of which nothing came: as much as can be known."""

from dataclasses import replace
from pathlib import Path

import pytest

from isthmus.cli.doctor import Cause, Finding, Surroundings
from isthmus.cli.doctor.findings import Wrong
from isthmus.cli.doctor.moving import Moved, judge
from isthmus.cli.doctor.pacs import Pacs
from isthmus.cli.doctor.receiver import Arrivals
from isthmus.common.config import Settings
from isthmus.common.dicom.statuses import SUCCESS
from isthmus.common.dimse import SubOperations
from tests.cli.doctor.examining import pacs
from tests.peers import Peer

SENT = Moved(0.1, SubOperations(SUCCESS, 1, 0, 0, 0))
NOT_SENT = Moved(0.1, SubOperations(0xA702, 0, 1, 0, 0))


@pytest.fixture
def one(tmp_path: Path) -> Pacs:
    settings = Settings.model_validate(pacs(Peer("PACS", "127.0.0.1", 104)))
    return Pacs.of(settings.dimse_origins[0], Surroundings(settings, tmp_path))


def found(moved: Moved, arrivals: Arrivals, one: Pacs) -> Finding:
    with pytest.raises(Wrong) as caught:
        judge(moved, arrivals, one, "127.0.0.1")
    return caught.value.finding


@pytest.mark.parametrize(
    ("moved", "cause", "said"),
    [
        (SENT, Cause.MOVE_WENT_ELSEWHERE, "is another system's"),
        (NOT_SENT, Cause.MOVE_DESTINATION_UNREACHABLE, "nothing came here"),
    ],
    ids=["sent", "not-sent"],
)
def test_where_scp_takes_what_comes_nobody_says_that_nothing_came(
    one: Pacs, moved: Moved, cause: Cause, said: str
) -> None:
    alone, beside_scp = found(moved, Arrivals(), one), found(moved, Arrivals(sees_connections=False), one)
    assert (alone.cause, beside_scp.cause) == (cause, cause)
    assert said in alone.problem
    assert said not in beside_scp.problem
    audit, log, stopped, *likely = beside_scp.advice
    assert "--outcome refused" in audit
    assert "docker compose logs scp" in log
    assert "where isthmus up runs it" in stopped
    assert tuple(likely) == alone.advice


def test_what_the_pacs_says_itself_is_known_all_the_same(one: Pacs) -> None:
    unknown = replace(NOT_SENT, result=SubOperations(0xA801, None, None, None, None))
    finding = found(unknown, Arrivals(sees_connections=False), one)
    assert finding.cause is Cause.MOVE_DESTINATION_UNKNOWN
    assert "audit" not in repr(finding)
