"""What is forked is a program as it is called from a shell."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.forks import Forks


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    forks = Forks("json.tool", "json")
    yield forks
    forks.close()


def test_it_has_its_arguments_folder_input_and_output(forks: Forks, tmp_path: Path) -> None:
    (tmp_path / "asked.json").write_text('{"b": [1], "a": 2}')
    with (tmp_path / "said").open("wb") as said, open(os.devnull) as nothing:
        fork = forks.start(
            [nothing.fileno(), said.fileno()], ["--compact", "--sort-keys", "asked.json"], tmp_path
        )
    assert fork.wait() == 0
    assert (tmp_path / "said").read_text() == '{"a":2,"b":[1]}\n'


def test_it_has_its_own_exit_code_and_errors(forks: Forks, tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("{")
    with (tmp_path / "bad").open() as bad, (tmp_path / "said").open("wb") as said:
        fork = forks.start([bad.fileno(), said.fileno(), said.fileno()])
    assert fork.wait() == 1
    assert "Expecting property name" in (tmp_path / "said").read_text()


def test_it_can_be_killed_while_it_waits_for_its_input(forks: Forks) -> None:
    its_input, ours = os.pipe()
    fork = forks.start([its_input])
    os.close(its_input)
    fork.kill()
    assert fork.wait() == -signal.SIGKILL
    fork.kill()  # nobody any more
    os.close(ours)


def test_after_its_end_it_starts_again(forks: Forks, tmp_path: Path) -> None:
    forks.close()
    (tmp_path / "said").touch()
    with open(os.devnull) as nothing, (tmp_path / "said").open("wb") as said:
        assert forks.start([nothing.fileno(), said.fileno(), said.fileno()]).wait() == 1
