"""`isthmus doctor` beside a running system, which takes what a C-MOVE brings."""

import json
from typing import Any

from tests.system.gateway import Gateway


def doctor(gateway: Gateway, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Run it, and give its exit code and its checks."""
    shown = gateway.isthmus("doctor", "--config", str(gateway.config), "--json", *arguments)
    assert shown.stderr == ""
    told = json.loads(shown.stdout)
    assert told["ok"] == (shown.returncode == 0)
    return shown.returncode, told["checks"]


def test_nothing_is_wrong_with_pacs_that_are_well(gateway: Gateway) -> None:
    """What is moved comes through the scp that runs."""
    code, checks = doctor(gateway, "orthanc-move", "dcmqrscp-move", "orthanc-get")
    assert (code, [check for check in checks if check["verdict"] != "ok"]) == (0, [])
    moved = [check["subject"] for check in checks if check["what"] == "C-MOVE"]
    assert moved == ["origin orthanc-move", "origin dcmqrscp-move"]


def test_everything_is_looked_at_and_what_is_wrong_is_named_once(gateway: Gateway) -> None:
    code, checks = doctor(gateway)
    assert code == 1
    well = {check["subject"] for check in checks if check["verdict"] == "ok"}
    assert well >= {"settings", "machine", "gateway", "nats", "s3"}
    found = {check["subject"]: check["finding"]["cause"] for check in checks if check["finding"]}
    assert found == {"origin nowhere": "connection-refused", "origin receiver": "c-find-not-offered"}


def test_a_person_is_told_too(gateway: Gateway) -> None:
    shown = gateway.isthmus("doctor", "--config", str(gateway.config), "nowhere")
    assert shown.returncode == 1
    assert "connection-refused, to be changed there:" in shown.stdout
