"""PACS that nobody here wrote, set up wrongly: the cause, the side, and the words of their settings."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.cli.doctor import Cause, Side
from isthmus.cli.doctor.queries import MOST_MATCHES
from tests.cli.doctor.examining import HURRIED, black_hole, examined, pacs
from tests.data_sets import make_series
from tests.peers import Dcmqrscp, Orthanc, Peer, Storescp, free_port

FORBIDDEN = {f"DicomAlwaysAllow{what}": False for what in ("Echo", "Find", "Get", "Move", "Store")}
ALLOWED = {f"Allow{what}": True for what in ("Echo", "Find", "Get", "Move", "Store")}


@pytest.fixture(scope="module")
def strict_port() -> int:
    """Where the strict PACS sends."""
    return free_port()


@pytest.fixture(scope="module")
def strict(strict_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """An Orthanc that lets in whom it knows, and lets each do what is written there."""
    directory = tmp_path_factory.mktemp("strict")
    modalities: dict[str, dict[str, object]] = {
        "FRIEND": {},
        "ECHOER": {"AllowFind": False},
        "NOGET": {"AllowGet": False},
        "NOMOVE": {"AllowMove": False},
        "WRONGPORT": {"Port": free_port()},
    }
    known = {
        title: {"AET": title, "Host": "127.0.0.1", "Port": strict_port, **ALLOWED, **more}
        for title, more in modalities.items()
    }
    settings = {**FORBIDDEN, "DicomCheckCalledAet": True, "DicomModalities": known}
    with Orthanc(directory / "pacs", ae_title="STRICT", tls=settings) as running:
        running.load(make_series(directory, 2))
        yield running


async def test_nothing_is_wrong_with_orthanc(orthanc: Orthanc, isthmus_peer: Peer, tmp_path: Path) -> None:
    heard = await examined(pacs(orthanc.peer, isthmus_peer), tmp_path)
    assert heard.findings == []
    assert heard.unclear == []
    assert [check.what for check in heard.checks][-7:] == [
        "connection",
        "association",
        "C-ECHO",
        "C-FIND",
        "character set",
        "C-GET",
        "C-MOVE",
    ]


async def test_nothing_is_wrong_with_dcmqrscp(dcmqrscp: Dcmqrscp, isthmus_peer: Peer, tmp_path: Path) -> None:
    heard = await examined(pacs(dcmqrscp.peer, isthmus_peer), tmp_path)
    assert heard.findings == []
    assert heard.unclear == []


async def test_who_takes_a_cancel_badly_is_searched_too(
    orthanc: Orthanc, isthmus_peer: Peer, tmp_path: Path
) -> None:
    """It has more studies than are looked at: the association of that search is aborted."""
    assert len(orthanc.listing()) > MOST_MATCHES
    heard = await examined(pacs(orthanc.peer, isthmus_peer, quirks=["no-cancel"]), tmp_path)
    assert heard.findings == []
    assert heard.unclear == []


async def test_of_what_is_found_nothing_is_told(strict: Orthanc, strict_port: int, tmp_path: Path) -> None:
    heard = await examined(pacs(strict.peer, Peer("FRIEND", "127.0.0.1", strict_port)), tmp_path)
    assert heard.findings == []
    told = repr(heard.checks)
    for identity in strict.held().values():
        assert not [one for one in identity if one and one in told]


async def test_a_pacs_that_does_not_know_us(strict: Orthanc, tmp_path: Path) -> None:
    heard = await examined(pacs(strict.peer, Peer("STRANGER", "127.0.0.1", 11117)), tmp_path)
    entry = '"DicomModalities": {"isthmus": {"AET": "STRANGER", "Host": "127.0.0.1", "Port": 11117}}'
    heard.only(Cause.CALLING_AE_UNKNOWN, Side.THEIRS, entry, "dcm4chee", "Accepted Calling AE Titles")


async def test_a_pacs_that_is_called_otherwise(strict: Orthanc, strict_port: int, tmp_path: Path) -> None:
    us = Peer("FRIEND", "127.0.0.1", strict_port)
    heard = await examined(pacs(strict.peer._replace(ae_title="WRONG"), us), tmp_path)
    heard.only(Cause.CALLED_AE_UNKNOWN, Side.OURS, "origins[0].ae_title", "WRONG", "DicomAet")


async def test_dcmqrscp_that_is_called_otherwise(dcmqrscp: Dcmqrscp, tmp_path: Path) -> None:
    heard = await examined(pacs(dcmqrscp.peer._replace(ae_title="WRONG")), tmp_path)
    heard.only(Cause.CALLED_AE_UNKNOWN, Side.OURS, "origins[0].ae_title", "WRONG", "AETable")


async def test_a_pacs_that_does_not_let_us_search(strict: Orthanc, strict_port: int, tmp_path: Path) -> None:
    heard = await examined(pacs(strict.peer, Peer("ECHOER", "127.0.0.1", strict_port)), tmp_path)
    heard.only(Cause.FIND_FORBIDDEN, Side.THEIRS, '"AET": "ECHOER"', "AllowFind", "DicomAlwaysAllowFind")


async def test_orthanc_as_it_is_delivered_knows_nobody(tmp_path: Path) -> None:
    """It answers C-ECHO, and breaks off at C-FIND."""
    delivered = {**FORBIDDEN, "DicomAlwaysAllowEcho": True, "DicomAlwaysAllowStore": True}
    with Orthanc(tmp_path / "delivered", tls=delivered) as running:
        heard = await examined(pacs(running.peer), tmp_path)
    heard.only(Cause.FIND_FORBIDDEN, Side.THEIRS, '"AET": "ISTHMUS"', "DicomAlwaysAllowFind")


@pytest.mark.parametrize(
    ("title", "cause", "switch"),
    [("NOGET", Cause.GET_FORBIDDEN, "AllowGet"), ("NOMOVE", Cause.MOVE_FORBIDDEN, "AllowMove")],
    ids=["c-get", "c-move"],
)
async def test_a_pacs_that_does_not_let_us_retrieve_in_one_way(
    strict: Orthanc, strict_port: int, title: str, cause: Cause, switch: str, tmp_path: Path
) -> None:
    heard = await examined(pacs(strict.peer, Peer(title, "127.0.0.1", strict_port)), tmp_path)
    heard.only(cause, Side.THEIRS, f'"AET": "{title}"', switch, "origins[0].retrieve")


async def test_orthanc_with_a_wrong_port_for_us(strict: Orthanc, tmp_path: Path) -> None:
    us = Peer("WRONGPORT", "127.0.0.1", free_port())
    heard = await examined(pacs(strict.peer, us), tmp_path)
    entry = f'"AET": "WRONGPORT", "Host": "127.0.0.1", "Port": {us.port}'
    heard.only(Cause.MOVE_DESTINATION_UNREACHABLE, Side.THEIRS, entry, f"port {us.port}")


async def test_orthanc_without_us_as_a_destination(orthanc: Orthanc, tmp_path: Path) -> None:
    us = Peer("NOWHERE", "127.0.0.1", free_port())
    heard = await examined(pacs(orthanc.peer, us), tmp_path)
    entry = f'"AET": "NOWHERE", "Host": "127.0.0.1", "Port": {us.port}'
    heard.only(Cause.MOVE_DESTINATION_UNKNOWN, Side.THEIRS, entry)


async def test_dcmqrscp_without_us_as_a_destination(dcmqrscp: Dcmqrscp, tmp_path: Path) -> None:
    us = Peer("NOWHERE", "127.0.0.1", free_port())
    heard = await examined(pacs(dcmqrscp.peer, us), tmp_path)
    heard.only(Cause.MOVE_DESTINATION_UNKNOWN, Side.THEIRS, f"isthmus = (NOWHERE, 127.0.0.1, {us.port})")


async def test_dcmqrscp_with_a_wrong_port_for_us(
    dcmqrscp: Dcmqrscp, isthmus_peer: Peer, tmp_path: Path
) -> None:
    us = isthmus_peer._replace(port=free_port())
    heard = await examined(pacs(dcmqrscp.peer, us), tmp_path)
    heard.only(Cause.MOVE_DESTINATION_UNREACHABLE, Side.THEIRS, "ISTHMUS", f"127.0.0.1, port {us.port}")


async def test_what_is_moved_to_another_system(
    dcmqrscp: Dcmqrscp, storescp: Storescp, tmp_path: Path
) -> None:
    """It knows our AE title at the address of somebody else, who takes it."""
    heard = await examined(pacs(dcmqrscp.peer, Peer("STORESCP", "127.0.0.1", free_port())), tmp_path)
    heard.only(Cause.MOVE_WENT_ELSEWHERE, Side.THEIRS, "STORESCP")


async def test_our_port_on_loopback_and_a_pacs_elsewhere(
    dcmqrscp: Dcmqrscp, isthmus_peer: Peer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    us = isthmus_peer._replace(port=free_port())
    monkeypatch.setattr("isthmus.cli.doctor.pacs.ours", lambda host, port: "192.0.2.7")
    heard = await examined(pacs(dcmqrscp.peer, us), tmp_path)
    heard.only(Cause.SCP_ON_LOOPBACK, Side.OURS, f'scp.listen = "0.0.0.0:{us.port}"', "host 192.0.2.7")


async def test_a_receiver_is_no_archive(storescp: Storescp, tmp_path: Path) -> None:
    heard = await examined(pacs(storescp.peer), tmp_path)
    heard.only(Cause.FIND_NOT_OFFERED, Side.THEIRS, "Study Root Query/Retrieve - FIND", "ISTHMUS")


async def test_an_empty_pacs_can_be_searched_and_no_more(
    empty_orthanc: Orthanc, isthmus_peer: Peer, tmp_path: Path
) -> None:
    heard = await examined(pacs(empty_orthanc.peer, isthmus_peer), tmp_path)
    assert heard.findings == []
    assert heard.unclear == ["the PACS lists no instance that could be asked for"] * 2


async def test_the_port_of_the_web_page(orthanc: Orthanc, tmp_path: Path) -> None:
    heard = await examined(pacs(orthanc.peer._replace(port=orthanc.http_port)), tmp_path)
    heard.only(Cause.SPEAKS_HTTP, Side.OURS, "origins[0].port", str(orthanc.http_port), "DicomPort")


async def test_a_port_where_nothing_listens(tmp_path: Path) -> None:
    port = free_port()
    heard = await examined(pacs(Peer("PACS", "127.0.0.1", port)), tmp_path)
    heard.only(Cause.CONNECTION_REFUSED, Side.THEIRS, f"port {port}", "origins[0].port")


async def test_a_port_behind_a_firewall(tmp_path: Path) -> None:
    with black_hole() as port:
        heard = await examined(pacs(Peer("PACS", "127.0.0.1", port)), tmp_path, patience=HURRIED)
    heard.only(Cause.CONNECTION_SILENT, Side.NETWORK, f"TCP from 127.0.0.1 to 127.0.0.1, port {port}")
