"""Whoever reads the documents, and does in a folder of their own what a page says."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.documents.blocks import ROOT, Block
from tests.documents.commands.words import DRY, ELSEWHERE, ENDLESS, JUDGES, replaced, without_comment
from tests.system.gateway import ISTHMUS, environment
from tests.waiting import PATIENCE

_PYNETDICOM: Final = ISTHMUS.parent
"""Beside our command lie pynetdicom's, which have the names of DCMTK's."""
_MEASURED: Final = re.compile(r"\d+\.\d+")


class Reader:
    """A reader in a folder, from which a running system is found, and `isthmus` is a command.

    Attributes:
        folder: where the commands are run.
    """

    def __init__(
        self, folder: Path, given: Mapping[str, str], variables: Mapping[str, str] | None = None
    ) -> None:
        """Lay out the folder.

        Args:
            folder: is made; may have files already.
            given: what documents write for something of the reader's, and what that is here.
            variables: of the environment.
        """
        self.folder = folder
        self._given = given
        programs = folder / ".venv" / "bin"
        programs.mkdir(parents=True)
        (programs.parent / ".installed").touch()  # make has nothing to install
        (programs / "activate").symlink_to(ISTHMUS.with_name("activate"))
        for name, command in {
            "isthmus": f'"{ISTHMUS}"',
            "python": f'"{sys.executable}"',
            "until_said": f'PYTHONPATH="{ROOT}" "{sys.executable}" -m tests.documents.commands.until_said',
        }.items():
            (programs / name).write_text(f'#!/bin/sh\nexec env {command} "$@"\n')
            (programs / name).chmod(0o755)
        path = [str(programs), *(one for one in os.environ["PATH"].split(":") if Path(one) != _PYNETDICOM)]
        self.environment = {**environment(), **(variables or {}), "PATH": ":".join(path)}

    def run(self, block: Block) -> str:
        """Do what a block of commands says, each of which has to succeed, and give all that they print.

        What is shown of their output (after lines that begin with `$`) has to be what they print.
        """
        if block.text.startswith("$ "):
            return self._session(block)
        lines = list(to_run(block))
        return self._shell(block, "".join(lines)) if lines else ""

    def python(self, block: Block) -> str:
        """Run a program of a page."""
        script = self.folder / "example.py"
        script.write_text(replaced(block.text, self._given))
        return self._ended(block, [sys.executable, str(script)])

    def _session(self, block: Block) -> str:
        commands = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE)
        script = "".join(f"{command}\nprintf '\\036'\n" for command, _ in commands)
        said = self._shell(block, script)
        for (command, shown), printed in zip(commands, said.split("\036"), strict=False):
            assert looks_like(printed, replaced(shown, self._given)), (
                f"{block.where}: {command} printed:\n{printed}"
            )
        return said

    def _shell(self, block: Block, text: str) -> str:
        return self._ended(block, ["/bin/sh", "-e", "-c", replaced(text, self._given)])

    def _ended(self, block: Block, command: Sequence[str]) -> str:
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE * (1 + block.text.count("\n")),
            check=False,
        )
        said = ended.stdout.decode(errors="replace")
        # Python ends as who finds something wrong does.
        assert "Traceback" not in said, f"{block.where} failed:\n{said}"
        assert ended.returncode == 0, f"{block.where} ended with {ended.returncode}:\n{said}"
        return said


def to_run(block: Block) -> Iterator[str]:
    """Give the lines of a block that are run here: those of make are only asked for, what tells on ends."""
    for line in block.text.splitlines(keepends=True):
        command = without_comment(line)
        if command in ELSEWHERE:
            continue
        target = re.match(r"make (\w+)", command)
        if target and target[1] in DRY:
            yield f'make --dry-run --directory "{ROOT}" {command.removeprefix("make ")} >/dev/null\n'
        else:
            yield _as_it_is_run(command) or line


def _as_it_is_run(command: str) -> str | None:
    """Give what is run for a command that has no end, or judges; None: the command as it is."""
    if ENDLESS.search(command):
        return f"until_said {command}\n"
    return f"{command} || test $? -eq 1\n" if JUDGES.match(command) else None


def looks_like(printed: str, shown: str) -> bool:
    """Tell whether output is as a page shows it: `...` is anything, and what was measured varies."""

    def pattern(text: str) -> str:
        return r"\d+\.\d+".join(map(re.escape, _MEASURED.split(text)))

    shown = shown.strip()
    expected = ".*".join(map(pattern, shown.split("...")))
    return not shown or re.fullmatch(expected, printed.strip(), re.DOTALL) is not None
