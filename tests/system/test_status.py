"""`isthmus status` of the demo, and of the demo with a part that is away."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pynetdicom import AE

from tests.peers import eventually
from tests.system.gateway import Gateway
from tests.system.test_up import CT_STUDY, NAMES


@pytest.fixture
def system(start_demo: Callable[[], Gateway]) -> Gateway:
    """The running system."""
    return start_demo()


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process that takes connections, and does nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def look(system: Gateway) -> dict[str, Any]:
    """Look once; the exit code says the same as the document."""
    shown = system.isthmus("status", "--json")
    assert shown.stderr == ""
    told: dict[str, Any] = json.loads(shown.stdout)
    assert shown.returncode == (0 if told["ok"] else 1)
    return told


def is_well(system: Gateway) -> bool:
    return look(system)["ok"] is True


def health(told: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["health"] for one in told["services"]}


def test_the_demo_is_well_and_every_process_is_shown(system: Gateway) -> None:
    assert eventually(lambda: is_well(system))
    told = look(system)
    assert health(told) == {name: "running" if name == "demo-pacs" else "ready" for name in NAMES}
    for one in told["services"]:
        assert [one["pid"]] == system.pids[one["name"]]
        assert one["memory"] > 1_000_000
        assert one["since"] is not None
    (demo,) = told["origins"]
    assert (demo["name"], demo["answer"], demo["associations"]["allowed"]) == ("demo", "answers", 4)
    assert told["unknown"] == {}
    assert told["cache"]["max_bytes"] == system.run_file.cache.max_bytes


def test_the_screen_has_the_verdict_on_top_and_no_line_too_wide(system: Gateway) -> None:
    assert eventually(lambda: is_well(system))
    lines = system.isthmus("status").stdout.splitlines()
    assert lines[0].startswith("isthmus all is well")
    assert max(map(len, lines)) <= 100
    assert "\x1b" not in "".join(lines)


def test_a_client_is_counted_as_long_as_it_is_there(system: Gateway) -> None:
    modality = AE()
    modality.add_requested_context("1.2.840.10008.1.1")  # Verification
    association = modality.associate(system.scp.host, system.scp.port, ae_title=system.scp.ae_title)
    assert association.is_established
    assert look(system)["scp"] == {"associations": 1}
    association.release()
    assert eventually(lambda: look(system)["scp"] == {"associations": 0})


def test_a_study_that_was_retrieved_is_counted(
    system: Gateway, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("out")
    assert system.isthmus("get", "demo", CT_STUDY, "--output", str(folder)).returncode == 0
    assert look(system)["cache"]["studies"] >= 1


def test_a_service_that_was_killed_is_shown_with_how_it_ended(system: Gateway) -> None:
    (before,) = system.pids["stow"]
    os.kill(before, signal.SIGKILL)

    def is_back() -> bool:
        (stow,) = [one for one in look(system)["services"] if one["name"] == "stow"]
        return stow["health"] == "ready" and stow["pid"] not in (before, None) and stow["restarts"] >= 1

    assert eventually(is_back)
    errors = look(system)["errors"]
    assert ("stow", "ended with signal SIGKILL") in [(one["label"], one["text"]) for one in errors]


def test_with_nats_frozen_the_others_are_shown_and_it_is_the_worst(system: Gateway) -> None:
    assert eventually(lambda: is_well(system))
    (nats,) = system.pids["nats"]
    with frozen(nats):
        told = look(system)
    assert told["problems"][0]["kind"] == "nats-away"
    assert health(told)["gateway"] == "ready"
    assert eventually(lambda: is_well(system))
