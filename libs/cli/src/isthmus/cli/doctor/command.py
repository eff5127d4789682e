"""The command: what it tells while it looks, and at the end."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.status import Status

from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.examination import examine
from isthmus.cli.doctor.findings import Check, Finding, Side, Verdict
from isthmus.cli.doctor.named import unusable
from isthmus.cli.doctor.surroundings import Surroundings
from isthmus.cli.exits import FAILED, USAGE
from isthmus.cli.output import progress_console, write_json, write_line
from isthmus.cli.run_file import ELSEWHERE, NotRunning, RunFile, Undescribed
from isthmus.common.config import Settings, load_settings
from isthmus.common.errors import SettingsError, UnknownOrigin
from isthmus.common.telemetry import configure_logging

_SIDES = {Side.OURS: "here", Side.THEIRS: "there", Side.NETWORK: "in the network"}
_INTERRUPTED = 128 + signal.SIGINT
_OF_SETTINGS = frozenset({Cause.SETTINGS_WRONG, Cause.FILE_UNUSABLE})


class _Telling:
    """Writes a line for each check, and shows what is being looked at."""

    def __init__(self, status: Status, *, as_json: bool) -> None:
        self.checks: list[Check] = []
        self._status = status
        self._as_json = as_json

    def begins(self, subject: str, what: str) -> None:
        """Show what is looked at now."""
        self._status.update(f"{subject}: {what}")
        self._status.start()

    def ended(self, check: Check) -> None:
        """Write how it ended."""
        self.checks.append(check)
        self._status.stop()  # while it is shown, rich takes what goes to standard output to where it is
        if not self._as_json:
            for line in _lines(check):
                write_line(line)
            sys.stdout.flush()


async def doctor(config: Path | None, data: Path, origins: Sequence[str], *, as_json: bool) -> int:
    """Look for what is wrong, and tell it.

    Args:
        config: the settings file; None for all defaults.
        data: the data folder, by which a running system is found.
        origins: the names of those to look at; none: everything.
        as_json: whether all of it is written at the end, for scripts.

    Returns:
        The exit code: 0 where all is well, 1 where something is wrong, 2 where that is the settings.

    Raises:
        SettingsError: one of them is not in the settings.
    """
    # What the libraries warn of is what the checks say, in other words.
    configure_logging("isthmus", "ERROR")
    with progress_console.status("settings") as status:
        telling = _Telling(status, as_json=as_json)
        try:
            settings = load_settings(config)
            running = _running(data)
        except SettingsError as error:
            for line in error.detail.splitlines():
                telling.ended(_wrong_setting(line))
        except Undescribed as error:
            telling.ended(Check("settings", ELSEWHERE, Verdict.WRONG, finding=unusable(error.detail).finding))
        else:
            _check_names(settings, origins)
            try:
                await examine(Surroundings(settings, data, running), origins, telling)
            except asyncio.CancelledError:
                status.stop()
                sys.stdout.flush()
                os._exit(
                    _INTERRUPTED
                )  # a thread waits for as long as a PACS is silent, and would be waited for
    wrong = [check.finding for check in telling.checks if check.finding is not None]
    if as_json:
        write_json({"ok": not wrong, "checks": [asdict(check) for check in telling.checks]})
    else:
        write_line(_summary(telling.checks))
    if any(finding.cause in _OF_SETTINGS for finding in wrong):
        return USAGE
    return FAILED if wrong else 0


def _check_names(settings: Settings, origins: Sequence[str]) -> None:
    known = {origin.name for origin in settings.origins}
    for name in origins:
        if name not in known:
            raise SettingsError(UnknownOrigin(name).detail)


def _running(data: Path) -> RunFile | None:
    try:
        return RunFile.read(data)
    except Undescribed:
        raise
    except NotRunning:
        return None


def _wrong_setting(line: str) -> Check:
    finding = Finding(
        Cause.SETTINGS_WRONG, Side.OURS, line, ("correct it there; docs/settings.md lists every setting",)
    )
    return Check("settings", "settings", Verdict.WRONG, finding=finding)


def _lines(check: Check) -> Sequence[str]:
    head = f"{check.verdict:<12}{check.subject}: {check.what}"
    if check.finding is None:
        return (f"{head}: {check.detail}" if check.detail else head,)
    finding = check.finding
    return (
        f"{head}: {finding.problem}",
        f"            {finding.cause}, to be changed {_SIDES[finding.side]}:",
        *(f"            - {line}" for line in finding.advice),
    )


def _summary(checks: Sequence[Check]) -> str:
    wrong = sum(check.verdict is Verdict.WRONG for check in checks)
    unclear = sum(check.verdict is Verdict.UNCLEAR for check in checks)
    found = "all is well" if not wrong else f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong"
    return f"{len(checks)} checks: {found}" + (f", {unclear} cannot be told" if unclear else "")
