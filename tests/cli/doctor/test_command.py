"""The command: what it writes, its exit code, and the page that says what each cause means."""

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner, Result

from isthmus.cli.doctor import Cause
from isthmus.cli.main import app
from isthmus.cli.run_file import ELSEWHERE
from tests.peers import Orthanc, Peer, free_port
from tests.waiting import PATIENCE

SHORTER_THAN_ITS_ANSWER = 20.0
"""Seconds; for an answer doctor waits 30."""
PAGE = Path(__file__).parents[3] / "docs" / "doctor.md"


def doctor(folder: Path, settings: str, *arguments: str) -> Result:
    config = folder / "own.toml"
    config.write_text(settings)
    command = ["doctor", *arguments, "--config", str(config), "--data", str(folder / "data")]
    return CliRunner().invoke(app, command)


def settings(peer: Peer, us: Peer) -> str:
    return f"""
        [gateway]
        listen = "127.0.0.1:0"
        [scp]
        ae_title = "{us.ae_title}"
        listen = "{us.host}:{us.port}"
        [[origins]]
        name = "pacs"
        ae_title = "{peer.ae_title}"
        host = "{peer.host}"
        port = {peer.port}
    """


def test_all_is_well(orthanc: Orthanc, isthmus_peer: Peer, tmp_path: Path) -> None:
    result = doctor(tmp_path, settings(orthanc.peer, isthmus_peer))
    assert result.exit_code == 0, result.output
    assert "ok          origin pacs: C-MOVE: it came" in result.stdout
    assert result.stdout.splitlines()[-1].endswith("checks: all is well")


def test_something_is_wrong(isthmus_peer: Peer, tmp_path: Path) -> None:
    nobody = Peer("PACS", "127.0.0.1", free_port())
    result = doctor(tmp_path, settings(nobody, isthmus_peer), "pacs")
    assert result.exit_code == 1
    assert "connection-refused, to be changed there:" in result.stdout
    assert result.stdout.splitlines()[-1].endswith("checks: 1 thing is wrong")


def test_scripts_are_told_the_same(isthmus_peer: Peer, tmp_path: Path) -> None:
    nobody = Peer("PACS", "127.0.0.1", free_port())
    result = doctor(tmp_path, settings(nobody, isthmus_peer), "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["ok"] is False
    (finding,) = [check["finding"] for check in told["checks"] if check["finding"]]
    assert (finding["cause"], finding["side"]) == ("connection-refused", "theirs")
    assert {check["verdict"] for check in told["checks"]} == {"ok", "wrong"}


def test_settings_that_are_wrong_are_all_that_is_told(tmp_path: Path) -> None:
    result = doctor(tmp_path, "[gateway]\nlisten = 7\n[[origins]]\nnam = 'pacs'\n", "--json")
    assert result.exit_code == 2
    found = [check["finding"] for check in json.loads(result.stdout)["checks"]]
    assert {one["cause"] for one in found} == {"settings-wrong"}
    assert all(str(tmp_path / "own.toml") in one["problem"] for one in found)


def test_a_file_that_settings_name_counts_as_settings(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    result = doctor(tmp_path, f'[access]\nsigning_key_file = "{missing}"\n[scp]\nlisten = "127.0.0.1:0"')
    assert result.exit_code == 2
    assert f"access.signing_key_file: {missing}" in result.stdout
    assert "file-unusable, to be changed here:" in result.stdout


def test_a_system_elsewhere_that_is_not_described_as_it_must_be_is_all_that_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ELSEWHERE).write_text("{}")
    result = doctor(tmp_path, "", "--json")
    assert result.exit_code == 2
    (check,) = json.loads(result.stdout)["checks"]
    assert check["finding"]["cause"] == "file-unusable"
    assert f"{ELSEWHERE} cannot be used: gateway: Field required" in check["finding"]["problem"]


def test_an_origin_that_there_is_not(isthmus_peer: Peer, tmp_path: Path) -> None:
    result = doctor(tmp_path, settings(isthmus_peer, isthmus_peer), "nobody")
    assert result.exit_code == 2
    assert "'nobody'" in result.stderr
    assert result.stdout == ""


def test_who_ends_it_does_not_wait_for_a_silent_pacs(isthmus_peer: Peer, tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    command = [sys.executable, "-m", "isthmus.cli.main", "doctor", "pacs", "--config", str(config)]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        there = Peer("PACS", "127.0.0.1", silent.getsockname()[1])
        config.write_text(settings(there, isthmus_peer))
        running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
        tried, _ = silent.accept()  # whether it takes connections
        asked, _ = silent.accept()
        with tried, asked:
            asked.settimeout(PATIENCE)
            assert asked.recv(1)
            running.send_signal(signal.SIGINT)
            said, _ = running.communicate(timeout=SHORTER_THAN_ITS_ANSWER)
    assert running.returncode == 130
    assert said.splitlines()[-1].startswith("ok          origin pacs: connection")


def test_the_page_says_what_each_cause_means() -> None:
    rows = [line.split("|")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    explained = [cause for row in rows for cause in re.findall(r"`([a-z0-9-]+)`", row)]
    assert sorted(explained) == sorted(Cause)
