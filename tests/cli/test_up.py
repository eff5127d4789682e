"""The file that tells commands what runs, as programs start and end."""

from pathlib import Path

import pytest

from isthmus.cli.run_file import RunFile, hold
from isthmus.cli.supervisor import Running
from isthmus.cli.system import System
from isthmus.cli.up import RunningFile
from isthmus.common.config import load_settings


def running(pid: int) -> Running:
    return Running("scp", 0, pid, 1.7e9, 0, None)


def test_a_program_that_starts_again_while_nothing_can_be_written_does_not_end_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISTHMUS_GATEWAY__LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("ISTHMUS_SCP__LISTEN", "127.0.0.1:0")
    data, warnings = tmp_path / "data", list[str]()
    with hold(data):
        system = System(load_settings(None), config=None, data=data)
        run_file = RunningFile(system, data, warnings.append)
        run_file.changed([running(1)])
        assert not (data / "run.json").exists()
        run_file.announce()
        assert [one.pid for one in RunFile.read(data).processes] == [1]
        data.rename(tmp_path / "gone")
        run_file.changed([running(2)])
        (warning,) = warnings
        assert warning.startswith("warning: run.json cannot be written (No such file or directory)")
        (tmp_path / "gone").rename(data)
        run_file.changed([running(3)])
        assert [one.pid for one in RunFile.read(data).processes] == [3]
