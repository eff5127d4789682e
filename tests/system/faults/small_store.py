"""`isthmus` with a blob store that can be given less room."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from isthmus.cli import system
from isthmus.cli.embedded import EmbeddedS3
from isthmus.cli.main import run
from isthmus.cli.process import Program

LIMITS: Final = "limits"
"""The file, in the store's folder, of options that say how much it holds; read whenever it starts."""
_MIB: Final = 2**20


def few_megabytes(store: Path) -> str:
    """Give limits that leave room for one or two more in each volume that is there, and for no new one.

    Args:
        store: the store's folder.
    """
    volumes = [file.stat().st_size for file in (store / "data").glob("*.dat")]
    return f"-volume.max={len(volumes)} -master.volumeSizeLimitMB={max(volumes) // _MIB + 2}"


class SmallS3(EmbeddedS3):
    """A store whose limits can be changed; they hold when it starts again."""

    @property
    def program(self) -> Program:
        program = super().program
        # Of an option that is there twice the last one counts.
        shell = ["/bin/sh", "-c", f'exec "$0" "$@" $(cat {LIMITS})']
        return replace(program, command=[*shell, *program.command])

    def prepare(self) -> None:
        super().prepare()
        (self.directory / LIMITS).write_text("")


if __name__ == "__main__":
    system.EmbeddedS3 = SmallS3  # type: ignore[attr-defined]  # in the place of the one that it imports
    run()
