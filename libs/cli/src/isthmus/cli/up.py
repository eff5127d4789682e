"""`isthmus up`: the whole system on this machine."""

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from isthmus.cli.console import Console
from isthmus.cli.run_file import hold
from isthmus.cli.supervisor import Supervisor
from isthmus.cli.system import System
from isthmus.common.config import load_settings


def up(config: Path, data: Path) -> None:
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
                asyncio.run(_run(system, data))
        finally:
            system.clean()


async def _run(system: System, data: Path) -> None:
    console = Console.on_stderr()
    announced = False
    running: Mapping[str, Sequence[int]] = {}

    def pids_changed(pids: Mapping[str, Sequence[int]]) -> None:
        nonlocal running
        running = pids
        if announced:
            system.run_file(running).write(data)

    def ready() -> None:
        nonlocal announced
        announced = True
        system.run_file(running).write(data)
        for warning in system.warnings:
            console.line("isthmus", f"warning: {warning}")
        with suppress(OSError):  # nobody reads it
            sys.stdout.write(f"{system.ready_line}\n")
            sys.stdout.flush()

    supervisor = Supervisor(system.stages(), report=console.line, pids_changed=pids_changed)
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
    await task
