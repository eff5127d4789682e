"""This machine, and rules: what is wrong here."""

import os
import socket
from pathlib import Path
from typing import Final

import pytest

from isthmus.cli.doctor import Cause, Patience, Side, machine
from isthmus.cli.run_file import ELSEWHERE, CachePart, NatsPart, RunFile, S3Part, ScpPart, hold
from isthmus.common.config.settings import Nats
from tests.cli.doctor.examining import examined, pacs
from tests.peers import Orthanc, Peer, free_port
from tests.waiting import PATIENCE

NOWHERE: Final[dict[str, object]] = {
    "gateway": {"listen": "127.0.0.1:0"},
    "scp": {"listen": "127.0.0.1:0"},
}


async def test_nothing_is_wrong(tmp_path: Path) -> None:
    heard = await examined(NOWHERE, tmp_path / "not" / "there")
    assert heard.findings == []
    assert heard.begun == len(heard.checks)


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        heard = await examined({**NOWHERE, "scp": {"listen": f"127.0.0.1:{port}"}}, tmp_path)
    found = heard.only(Cause.PORT_TAKEN, Side.OURS, f"127.0.0.1:{port}", "scp.listen")
    assert "(process " in found.problem


async def test_a_port_that_somebody_has_who_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "holder", lambda port: None)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        heard = await examined({**NOWHERE, "gateway": {"listen": f"127.0.0.1:{port}"}}, tmp_path)
    heard.only(Cause.PORT_TAKEN, Side.OURS, f"ss -ltnp sport = :{port}")


async def test_an_address_of_another_machine(tmp_path: Path) -> None:
    rules = {"rules": [{"network": "10.0.0.0/8", "operations": ["search"]}]}
    scp = {"listen": f"192.0.2.1:{free_port()}"}
    heard = await examined({**NOWHERE, "scp": scp, "access": rules}, tmp_path)
    heard.only(Cause.ADDRESS_NOT_OURS, Side.OURS, "scp.listen", "192.0.2.1")


async def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "free_bytes", lambda folder: 5 * 1024**2)
    heard = await examined(NOWHERE, tmp_path)
    heard.only(Cause.DISK_FULL, Side.OURS, "5 MiB", str(tmp_path))


async def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.touch()
    heard = await examined(NOWHERE, file)
    heard.only(Cause.DATA_NOT_WRITABLE, Side.OURS, str(file))


@pytest.fixture
def nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may be root, who can everywhere."""
    monkeypatch.setattr("os.access", lambda path, mode: not mode & os.W_OK)


@pytest.mark.usefixtures("nothing_can_be_written")
async def test_a_data_folder_of_somebody_else(tmp_path: Path) -> None:
    heard = await examined(NOWHERE, tmp_path)
    heard.only(Cause.DATA_NOT_WRITABLE, Side.OURS, f"chown -R {os.getuid()}:{os.getgid()} {tmp_path},")


@pytest.mark.usefixtures("nothing_can_be_written")
async def test_what_lies_above_a_data_folder_that_cannot_be_made_is_not_given_away(tmp_path: Path) -> None:
    folder = tmp_path / "isthmus" / "data"
    heard = await examined(NOWHERE, folder)
    found = heard.only(
        Cause.DATA_NOT_WRITABLE, Side.OURS, f"install -d -m 700 -o {os.getuid()}", f"{folder},"
    )
    assert "chown" not in repr(found)


@pytest.mark.usefixtures("nothing_can_be_written")
async def test_the_folder_of_the_commands_alone_need_not_be_written_to(tmp_path: Path) -> None:
    (tmp_path / ELSEWHERE).touch()
    heard = await examined(NOWHERE, tmp_path)
    assert heard.findings == []


async def test_a_viewer_that_is_not_all_there(tmp_path: Path) -> None:
    (tmp_path / "viewer").mkdir()
    heard = await examined(NOWHERE, tmp_path)
    heard.only(Cause.VIEWER_INCOMPLETE, Side.OURS, "isthmus viewer", str(tmp_path))


async def test_a_rule_for_nobody(tmp_path: Path) -> None:
    rules = {"rules": [{"user": "ann", "operations": ["search"]}]}
    heard = await examined({**NOWHERE, "access": rules}, tmp_path)
    heard.only(Cause.RULE_WITHOUT_EFFECT, Side.OURS, "access.rules[0]")
    assert "access.rules[0]" in {check.what for check in heard.checks}


async def test_a_secret_that_everybody_may_read(tmp_path: Path) -> None:
    file = tmp_path / "signing.key"
    file.write_text("a key of more than thirty-two characters")
    file.chmod(0o644)
    heard = await examined({**NOWHERE, "access": {"signing_key_file": file}}, tmp_path)
    found = heard.only(Cause.SECRET_READABLE, Side.OURS, "access.signing_key_file", "chmod 600")
    assert "thirty-two" not in repr(found)


async def test_a_system_that_runs_whose_parts_are_away(tmp_path: Path) -> None:
    """Its ports are its own, and each part is told once."""
    gateway, bus, store = (free_port() for _ in range(3))
    run = RunFile(
        gateway=f"http://127.0.0.1:{gateway}",
        nats=NatsPart(url=f"nats://127.0.0.1:{bus}", user="isthmus", password="s3cr3t-of-nats"),
        s3=S3Part(
            endpoint=f"127.0.0.1:{store}", bucket="isthmus", access_key="key", secret_key="s3cr3t-of-s3"
        ),
        scp=ScpPart(ae_title="ISTHMUS", host="127.0.0.1", port=11112),
        cache=CachePart(max_bytes=1000),
        services={},
    )
    with hold(tmp_path):
        run.write(tmp_path)
        heard = await examined(NOWHERE, tmp_path, running=run)
    found = {check.subject: check.finding.cause for check in heard.checks if check.finding is not None}
    assert found == {
        "gateway": Cause.GATEWAY_AWAY,
        "nats": Cause.CONNECTION_REFUSED,
        "s3": Cause.CONNECTION_REFUSED,
    }
    assert "s3cr3t" not in repr(heard.checks)


async def test_a_gateway_that_says_nothing_does_not_hold_up_the_rest(
    nats_settings: Nats, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, hold(tmp_path):
        port = silent.getsockname()[1]
        run = RunFile(
            gateway=f"http://127.0.0.1:{port}",
            nats=NatsPart.model_validate(nats_settings.model_dump()),
            s3=S3Part(endpoint="127.0.0.1:1", bucket="isthmus", access_key="key", secret_key="secret"),
            scp=ScpPart(ae_title="ISTHMUS", host="127.0.0.1", port=11112),
            cache=CachePart(max_bytes=1000),
            services={},
        )
        run.write(tmp_path)
        patience = Patience(connect=PATIENCE, answer=0.2)
        heard = await examined(NOWHERE, tmp_path, patience=patience, running=run)
    assert [(one.cause, "does not answer" in one.problem) for one in heard.findings] == [
        (Cause.GATEWAY_AWAY, True),
        (Cause.CONNECTION_REFUSED, False),
    ]
    assert "storage" in {check.what for check in heard.checks if check.subject == "nats"}


def run_with(nats: NatsPart, *, scp_port: int) -> RunFile:
    return RunFile(
        gateway="http://127.0.0.1:1",
        nats=nats,
        s3=S3Part(endpoint="127.0.0.1:1", bucket="isthmus", access_key="key", secret_key="secret"),
        scp=ScpPart(ae_title="ISTHMUS", host="127.0.0.1", port=scp_port),
        cache=CachePart(max_bytes=1000),
        services={},
    )


async def test_a_system_that_runs_whose_scp_is_away(
    orthanc: Orthanc, isthmus_peer: Peer, nats_settings: Nats, tmp_path: Path
) -> None:
    run = run_with(NatsPart.model_validate(nats_settings.model_dump()), scp_port=free_port())
    heard = await examined(pacs(orthanc.peer, isthmus_peer), tmp_path, "pacs", running=run)
    heard.only(Cause.SCP_SILENT, Side.OURS, str(run.scp.port), "log of the container", "operator.reachesPacs")


async def test_a_file_of_nats_that_cannot_be_used_leaves_unclear_what_comes_and_ends_nothing(
    orthanc: Orthanc, isthmus_peer: Peer, tmp_path: Path
) -> None:
    lost = NatsPart(url="tls://127.0.0.1:1", user="", password="", ca_file=tmp_path / "lost.pem")
    run = run_with(lost, scp_port=0)
    heard = await examined(pacs(orthanc.peer, isthmus_peer), tmp_path, "pacs", running=run)
    assert heard.findings == []
    (unclear,) = heard.unclear
    assert unclear.startswith("what comes to scp cannot be heard of: ")
    assert "lost.pem" in unclear
