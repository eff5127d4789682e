"""Shows the status once, or again and again until Ctrl-C."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import orjson
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from isthmus.cli.output import write_json
from isthmus.cli.run_file import NotRunning
from isthmus.cli.status.document import document
from isthmus.cli.status.look import Looker
from isthmus.cli.status.model import Status
from isthmus.cli.status.screen import Fitted, screen
from isthmus.cli.status.verdict import Problem, problems

EVERY_SECONDS: Final = 2.0
_WIDE: Final = 100
"""Columns, where there is no terminal that has a width."""


async def status(data: Path, *, watch: bool, as_json: bool) -> bool:
    """Show how all parts are doing; whether all is well.

    Raises:
        NotRunning: there is no system, and nobody watches for one.
        SettingsError: the settings that should say where it is are wrong.
    """
    async with Looker(data) as looker:
        if watch:
            await (_follow_as_json(looker) if as_json else _follow(looker))
        seen = await looker.look()
    found = problems(seen)
    if as_json:
        write_json(document(seen, found))
    else:
        _console().print(screen(seen, found))
    return not found


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)


async def _follow(looker: Looker) -> None:
    """Draw it in place, every two seconds, until cancelled; who is no terminal gets screen after screen."""
    console = _console()
    if not console.is_terminal:
        while True:
            console.print(await _drawn(looker, screen))
            console.print()
            await asyncio.sleep(EVERY_SECONDS)
    with Live(await _drawn(looker, Fitted), console=console, screen=True, auto_refresh=False) as live:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            live.update(await _drawn(looker, Fitted), refresh=True)


async def _drawn(
    looker: Looker, draw: Callable[[Status, Sequence[Problem]], RenderableType]
) -> RenderableType:
    try:
        seen = await looker.look()
    except NotRunning as error:  # it may come, or come back
        return Text(error.detail, style="bold red")
    return draw(seen, problems(seen))


async def _follow_as_json(looker: Looker) -> None:
    """Write a document a line, until cancelled."""
    while True:
        try:
            seen = await looker.look()
            line = document(seen, problems(seen))
        except NotRunning as error:
            line = {"ok": False, "verdict": error.detail}
        sys.stdout.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE).decode())
        sys.stdout.flush()
        await asyncio.sleep(EVERY_SECONDS)
