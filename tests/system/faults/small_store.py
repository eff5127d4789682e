"""`isthmus` with a blob store that holds some megabytes."""

from dataclasses import replace
from typing import Final

from isthmus.cli import system
from isthmus.cli.embedded import EmbeddedS3
from isthmus.cli.main import run
from isthmus.cli.process import Program

LIMITS: Final = "limits"
"""The file, in the store's folder, of options that say how much it holds; read whenever it starts."""
SMALL: Final = "-volume.max=8 -master.volumeSizeLimitMB=1"
"""A bucket has seven volumes at once."""


class SmallS3(EmbeddedS3):
    """A store that is soon full, until its limits are changed and it starts again."""

    @property
    def program(self) -> Program:
        program = super().program
        # Of an option that is there twice the last one counts.
        shell = ["/bin/sh", "-c", f'exec "$0" "$@" $(cat {LIMITS})']
        return replace(program, command=[*shell, *program.command])

    def prepare(self) -> None:
        super().prepare()
        (self.directory / LIMITS).write_text(SMALL)


if __name__ == "__main__":
    system.EmbeddedS3 = SmallS3  # type: ignore[attr-defined]  # in the place of the one that it imports
    run()
