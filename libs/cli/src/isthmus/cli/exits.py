"""How a command ends: 0 all went well, 1 something failed, 2 the command or the settings are wrong."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Final

import typer

from isthmus.cli.output import write_error
from isthmus.cli.process import StartError
from isthmus.cli.run_file import InUse
from isthmus.common.errors import IsthmusError, SettingsError

FAILED: Final = 1
USAGE: Final = 2


def finish(command: Coroutine[None, None, bool | None]) -> None:
    """Run a command to its end; one that gives False has failed."""
    with exit_codes():
        if asyncio.run(command) is False:
            raise typer.Exit(FAILED)


@contextmanager
def exit_codes() -> Iterator[None]:
    """Tell in a line what went wrong, and exit with its code."""
    try:
        yield
    except (SettingsError, InUse) as error:
        write_error(error.detail)
        raise typer.Exit(USAGE) from None
    except IsthmusError as error:
        write_error(error.detail)
        raise typer.Exit(FAILED) from None
    except StartError as error:
        write_error(f"isthmus cannot run: {error}")
        raise typer.Exit(FAILED) from None
