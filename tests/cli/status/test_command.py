"""`isthmus status` as it is called: its exit code, what it prints, and how it follows what changes."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fcntl import ioctl
from pathlib import Path
from struct import pack
from termios import TIOCSWINSZ
from typing import Final

import orjson
from typer.testing import CliRunner, Result

from isthmus.cli.main import app
from isthmus.common.bus.dead import bury
from isthmus.common.messages import DeadLetter
from tests import planted
from tests.cli.status.site import Site
from tests.waiting import PATIENCE

ISTHMUS: Final = Path(sys.executable).with_name("isthmus")
ALTERNATE: Final = "\x1b[?1049h"
"""What has a terminal show a screen of ours, beside that which it has."""
BACK: Final = "\x1b[?1049l"
ALL_CLEARED: Final = "\x1b[2J"
"""What would have it flicker."""


async def run(data: Path, *options: str, environ: dict[str, str] | None = None) -> Result:
    """Run it to its end, in a thread that has a loop of its own."""
    arguments = ["status", "--data", str(data), *options]
    return await asyncio.to_thread(lambda: CliRunner(env=environ).invoke(app, arguments))


def settings(site: Site) -> dict[str, str]:
    """Give the environment of a container that has the settings of the system."""
    nats, s3 = site.nats_settings, site.s3
    return {
        "ISTHMUS_NATS__URL": nats.url,
        "ISTHMUS_NATS__USER": nats.user,
        "ISTHMUS_NATS__PASSWORD": nats.password,
        "ISTHMUS_S3__ENDPOINT": s3.endpoint,
        "ISTHMUS_S3__BUCKET": s3.bucket,
        "ISTHMUS_S3__ACCESS_KEY": s3.access_key,
        "ISTHMUS_S3__SECRET_KEY": s3.secret_key,
        "ISTHMUS_GATEWAY__URL": site.gateway,
        "ISTHMUS_ORIGINS": '[{"name": "pacs", "ae_title": "PACS", "host": "pacs", "port": 104}]',
    }


class Watcher:
    """What a terminal shows, or a pipe takes, of `isthmus status --watch`."""

    def __init__(self, process: asyncio.subprocess.Process, descriptor: int) -> None:
        self.process = process
        self.text = ""
        self._descriptor = descriptor
        self._more = asyncio.Event()
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def _read(self) -> None:
        try:
            read = os.read(self._descriptor, 65536)
        except OSError:  # the other end of a terminal has gone
            read = b""
        if not read:
            asyncio.get_running_loop().remove_reader(self._descriptor)
        self.text += read.decode(errors="replace")
        self._more.set()

    async def until(self, text: str, since: int = 0) -> int:
        """Wait until something is shown, and give where in all that was written it ends."""
        async with asyncio.timeout(PATIENCE):
            while (at := self.text.find(text, since)) < 0:
                self._more.clear()
                await self._more.wait()
        return at + len(text)

    async def interrupt(self) -> int:
        """Press Ctrl-C, and give the exit code."""
        self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@asynccontextmanager
async def watching(data: Path, *options: str, terminal: bool) -> AsyncIterator[Watcher]:
    """Run it until the block is left."""
    ours, its = pty.openpty() if terminal else os.pipe()
    if terminal:
        ioctl(its, TIOCSWINSZ, pack("HHHH", 50, 100, 0, 0))
    environ = {**os.environ, "TERM": "xterm-256color"}
    command = [str(ISTHMUS), "status", "--watch", "--data", str(data), *options]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=its, stderr=its, env=environ, start_new_session=True
    )
    os.close(its)
    watcher = Watcher(process, ours)
    try:
        yield watcher
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)


async def test_where_nothing_runs_it_fails_and_says_so(data: Path) -> None:
    for options in ((), ("--json",)):
        result = await run(data, *options)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("no isthmus up runs with the data folder")


async def test_where_all_is_well_the_exit_code_is_0(site: Site) -> None:
    await site.with_gateway()
    site.write()
    result = await run(site.data)
    assert result.stdout.startswith("isthmus all is well  ")
    assert (result.exit_code, result.stderr) == (0, "")
    result = await run(site.data, "--json")
    assert (result.exit_code, orjson.loads(result.stdout)["ok"]) == (0, True)


async def test_where_anything_is_not_the_exit_code_is_1_in_either_form(site: Site) -> None:
    site.write()
    result = await run(site.data)
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.startswith("isthmus the gateway is away: ")
    result = await run(site.data, "--json")
    assert result.exit_code == 1
    assert [one["kind"] for one in orjson.loads(result.stdout)["problems"]] == ["gateway-away"]


async def test_nothing_of_what_run_json_keeps_for_itself_is_shown(site: Site) -> None:
    site.key = planted.secret("operator")
    site.write()
    for options in ((), ("--json",)):
        result = await run(site.data, *options)
        secrets = (site.key, site.nats_settings.password, site.s3.secret_key, site.s3.access_key)
        assert not [one for one in secrets if one in result.output]


async def test_without_run_json_the_settings_of_the_environment_lead_to_the_system(
    site: Site, tmp_path: Path
) -> None:
    await site.with_gateway()
    result = await run(tmp_path / "none", "--json", environ=settings(site))
    told = orjson.loads(result.stdout)
    assert [(one["name"], one["health"]) for one in told["services"]] == [
        ("nats", "ready"),
        ("s3", "ready"),
        ("gateway", "ready"),
    ]
    assert [one["name"] for one in told["origins"]] == ["pacs"]
    assert [one["kind"] for one in told["problems"]] == ["origin-not-served"]
    assert told["unknown"]["services"] == "nothing says where they are: isthmus up does, in run.json"
    assert (told["errors"], sorted(told["unknown"])) == (None, ["errors", "services"])


async def test_a_services_user_of_nats_may_not_ask_and_it_says_who_may(site: Site, tmp_path: Path) -> None:
    await site.with_gateway()
    password = site.nats.password_of("arrivals")
    arrivals = {"ISTHMUS_NATS__USER": "arrivals", "ISTHMUS_NATS__PASSWORD": password}
    result = await run(tmp_path / "none", "--json", environ=settings(site) | arrivals)
    why = "the user arrivals of NATS may not ask that; isthmus may (nats.user)"
    assert orjson.loads(result.stdout)["unknown"]["queues"] == why


async def test_wrong_settings_in_the_environment_exit_2(tmp_path: Path) -> None:
    environ = {"ISTHMUS_NATS__URL": "nats://127.0.0.1:1", "ISTHMUS_NATS__PASWORD": "x"}
    result = await run(tmp_path / "none", environ=environ)
    assert result.exit_code == 2
    assert "ISTHMUS_NATS__PASWORD" in result.stderr or "nats.pasword" in result.stderr


async def test_in_a_terminal_it_follows_what_changes_in_place_until_ctrl_c(site: Site) -> None:
    gateway = await site.with_gateway()
    site.write()
    async with watching(site.data, terminal=True) as watcher:
        seen = await watcher.until("all is well")
        await bury(await site.bus(), DeadLetter("webhook", "ris", "HTTP 422", 3, 1, 1, b"{}"), "letter")
        seen = await watcher.until("1 dead letter, to ris", seen)
        gateway.end()
        await watcher.until("the gateway is away", seen)
        assert await watcher.interrupt() == 0
        shown = watcher.text
        await watcher.until(BACK)
    begun = shown.index(ALTERNATE)
    assert ALL_CLEARED not in shown[begun + len(ALTERNATE) :]
    assert "Traceback" not in shown


async def test_who_watches_a_system_that_ends_is_told_and_sees_it_come_back(site: Site) -> None:
    await site.with_gateway()
    site.write()
    async with watching(site.data, terminal=True) as watcher:
        seen = await watcher.until("all is well")
        (site.data / "run.json").unlink()
        seen = await watcher.until("is not ready yet", seen)
        site.write()
        await watcher.until("all is well", seen)
        assert await watcher.interrupt() == 0


async def test_a_pipe_gets_a_document_a_line_and_no_colours(site: Site) -> None:
    await site.with_gateway()
    site.write()
    async with watching(site.data, "--json", terminal=False) as watcher:
        seen = await watcher.until('"verdict":"all is well"')
        await watcher.until('"verdict":"all is well"', seen)
        await watcher.until("\n", seen)
        assert await watcher.interrupt() == 0
        documents = [orjson.loads(line) for line in watcher.text.splitlines(keepends=True) if "\n" in line]
    times = [one["at"] for one in documents]
    assert len(times) > 1
    assert sorted(times) == times


async def test_a_pipe_gets_screen_after_screen_without_colours(site: Site) -> None:
    await site.with_gateway()
    site.write()
    async with watching(site.data, terminal=False) as watcher:
        seen = await watcher.until("all is well")
        await watcher.until("all is well", seen)
        await watcher.interrupt()
    assert "\x1b" not in watcher.text
