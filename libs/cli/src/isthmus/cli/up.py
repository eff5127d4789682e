"""`isthmus up`: the whole system on this machine."""

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from isthmus.cli.connected import connected
from isthmus.cli.console import Console
from isthmus.cli.error_log import ErrorLog
from isthmus.cli.run_file import hold
from isthmus.cli.settings_changes import record_start
from isthmus.cli.supervisor import Running, Supervisor
from isthmus.cli.system import System
from isthmus.common.bus import end_tasks
from isthmus.common.config import Settings, load_settings
from isthmus.common.errors import IsthmusError


def up(config: Path | None, data: Path) -> None:
    """Run until SIGINT or SIGTERM.

    Raises:
        SettingsError: the settings are wrong, or a port is taken; nothing was started.
        InUse: another one runs with this data folder; nothing was started.
        StartError: a part does not start, or dies again and again; everything is stopped.
    """
    settings = load_settings(config)
    with hold(data):
        system = System(settings, config=config, data=data)
        system.prepare()
        try:
            with suppress(asyncio.CancelledError):
                asyncio.run(_run(system, settings, data))
        finally:
            system.clean()


class RunningFile:
    """`run.json` of a system: written when that is ready, and again whenever a program starts or ends.

    Args:
        system: what runs.
        data: the data folder.
        warn: is told what could not be written.
    """

    def __init__(self, system: System, data: Path, warn: Callable[[str], None]) -> None:
        self._system = system
        self._data = data
        self._warn = warn
        self._running: Sequence[Running] = ()
        self._announced = False

    def announce(self) -> None:
        """Write it for the first time.

        Raises:
            OSError: it cannot be written.
        """
        self._announced = True
        self._write()

    def changed(self, programs: Sequence[Running]) -> None:
        """Take how the programs are doing now. A full disk keeps it as it was, and what runs goes on."""
        self._running = programs
        if self._announced:
            try:
                self._write()
            except OSError as error:
                self._warn(f"warning: run.json cannot be written ({error.strerror}): commands see what was")

    def _write(self) -> None:
        self._system.run_file(self._running).write(self._data)


async def _run(system: System, settings: Settings, data: Path) -> None:
    console = Console.on_stderr()
    recording: set[asyncio.Task[None]] = set()
    errors = ErrorLog(data)
    run_file = RunningFile(system, data, partial(console.line, "isthmus"))

    def ready() -> None:
        run_file.announce()
        for warning in system.warnings:
            console.line("isthmus", f"warning: {warning}")
        with suppress(OSError):  # nobody reads it
            sys.stdout.write(f"{system.ready_line}\n")
            sys.stdout.flush()
        recording.add(asyncio.create_task(_record(settings, data, console)))

    def report(label: str, text: str) -> None:
        console.line(label, text)
        errors.line(label, text)

    supervisor = Supervisor(system.stages(), report=report, changed=run_file.changed, failed=errors.add)
    task = asyncio.create_task(supervisor.run(ready=ready))

    def stop() -> None:
        if not task.cancelling():  # a second signal must not interrupt the stopping
            console.line("isthmus", "stopping")
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup leaves it
        loop.add_signal_handler(signal.SIGHUP, stop)
    try:
        await task
    finally:
        await end_tasks(recording)


async def _record(settings: Settings, data: Path, console: Console) -> None:
    """Record that the system is started, and with which settings."""
    try:
        async with connected(data, "isthmus up") as system:
            await record_start(system.bus, settings, data)
    except (IsthmusError, OSError) as error:
        reason = error.detail if isinstance(error, IsthmusError) else error.strerror
        console.line("isthmus", f"warning: the start is not in the audit: {reason}")
