"""What `isthmus events` prints of a stream."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from isthmus.cli.events import events, since_when
from isthmus.cli.main import app
from isthmus.cli.run_file import NotRunning
from isthmus.common.bus import Bus, subjects
from isthmus.common.bus.events import publish_event
from isthmus.common.bus.streams import EVENTS
from isthmus.common.messages.events import EventType
from tests.documents.asyncapi import check
from tests.documents.sample_events import PATIENT, instance, study
from tests.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("running")

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


async def printed(
    data: Path, origin: str, capsys: pytest.CaptureFixture[str], **options: object
) -> list[str]:
    """Give the lines of what is there now."""
    capsys.readouterr()
    await events(data, origin=origin, follow=False, **{"as_json": False, **options})  # type: ignore[arg-type]  # options of any kind
    return capsys.readouterr().out.splitlines()


async def test_without_a_running_system_nothing_can_be_said(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        await events(tmp_path / "other", follow=False, as_json=False)


async def test_an_event_is_a_line_with_what_a_person_wants_and_without_names(
    bus: Bus, data: Path, origin_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for event in (instance(origin_name), instance(origin_name, 2, None)):
        await publish_event(bus, event)
    for kind in (EventType.STUDY_ARRIVED, EventType.STUDY_AMENDED):
        await publish_event(bus, study(origin_name, kind))
    lines = await printed(data, origin_name, capsys)
    at, later = "2024-05-01T10:00:00.000Z", "2024-05-01T10:00:30.000Z"
    assert lines == [
        f"{at}  instance.stored  {origin_name}  2.25.1  527.4 kB from CT1",
        f"{at}  instance.stored  {origin_name}  2.25.1  527.4 kB, other bytes are there: the newest is read",
        f"{later}  study.arrived    {origin_name}  2.25.1  1 new of 1 instances in 1 series (CT 1), 527.4 kB"
        " from CT1, complete (count)",
        f"{later}  study.amended    {origin_name}  2.25.1  1 new of 1 instances in 1 series (CT 1), 527.4 kB,"
        " assumed complete (quiet), patient conflict",
    ]
    assert PATIENT not in "".join(lines)


async def test_json_is_each_event_as_it_was_published(
    bus: Bus, data: Path, origin_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await publish_event(bus, instance(origin_name))
    await publish_event(bus, study(origin_name))
    lines = await printed(data, origin_name, capsys, as_json=True)
    for line in lines:
        check(line.encode())
    assert [json.loads(line)["type"] for line in lines] == ["instance.stored", "study.arrived"]
    assert PATIENT in lines[0]


async def test_only_events_of_one_type_are_shown_where_one_is_named(
    bus: Bus, data: Path, origin_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await publish_event(bus, instance(origin_name))
    await publish_event(bus, study(origin_name))
    (line,) = await printed(data, origin_name, capsys, kind=EventType.STUDY_ARRIVED)
    assert "study.arrived" in line


async def test_only_events_of_one_inbox_are_shown_where_one_is_named(
    bus: Bus, data: Path, origin_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await publish_event(bus, study(f"{origin_name}-b"))
    assert await printed(data, origin_name, capsys) == []


async def test_from_a_time_on_only_later_events_are_shown(
    bus: Bus, data: Path, origin_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await publish_event(bus, instance(origin_name))
    newest = await bus.jetstream.get_last_msg(EVENTS, subjects.events(origin=origin_name))
    assert newest.time is not None
    await publish_event(bus, study(origin_name))
    (line,) = await printed(data, origin_name, capsys, since=newest.time + timedelta(microseconds=1))
    assert "study.arrived" in line


async def test_an_event_that_is_not_understood_is_named_without_what_is_in_it(
    bus: Bus, data: Path, origin_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    subject = subjects.event("study.arrived", origin_name)
    await bus.jetstream.publish(subject, json.dumps({"type": "study.arrived", "name": PATIENT}).encode())
    (line,) = await printed(data, origin_name, capsys)
    assert line.startswith(f"{subject}  not understood: event: ")
    assert PATIENT not in line


async def test_what_a_sender_calls_itself_cannot_move_the_cursor(
    bus: Bus, data: Path, origin_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await publish_event(bus, instance(origin_name, 1, "\x1b[2J\r\nCT1"))
    (line,) = await printed(data, origin_name, capsys)
    assert line.endswith("from ?[2J??CT1")


@contextmanager
def heard() -> Iterator[None]:
    """What is started in the block hears Ctrl-C, even where we do not: a shell runs us in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@asynccontextmanager
async def following(data: Path, origin: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the command itself, which waits for events."""
    command = [sys.executable, "-m", "isthmus.cli.main", "events", "--data", str(data), "--origin", origin]
    with heard():
        process = await asyncio.create_subprocess_exec(
            *command, "--since", "1h", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_following_shows_what_comes_and_ends_on_ctrl_c(bus: Bus, data: Path, origin_name: str) -> None:
    await publish_event(bus, instance(origin_name))
    async with asyncio.timeout(PATIENCE), following(data, origin_name) as process:
        assert process.stdout is not None
        assert b"instance.stored" in await process.stdout.readline()
        published = time.monotonic()
        await publish_event(bus, study(origin_name))
        assert b"study.arrived" in await process.stdout.readline()
        assert time.monotonic() - published < 10
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
        assert (process.returncode, out, err) == (0, b"", b"")


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("1h", NOW - timedelta(hours=1)),
        ("2d", NOW - timedelta(days=2)),
        ("2024-05-01T10:00:00Z", datetime(2024, 5, 1, 10, tzinfo=UTC)),
        ("2024-05-01T10:00:00+02:00", datetime(2024, 5, 1, 8, tzinfo=UTC)),
        ("2024-05-01", datetime(2024, 5, 1).astimezone(UTC)),
        ("200000d", datetime(1970, 1, 1, tzinfo=UTC)),  # nanoseconds from then on, in 64 bits, NATS counts
        ("0500-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("9999-01-01T00:00:00Z", datetime(2262, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_so_long_ago_or_one_of_the_clock(text: str, when: datetime) -> None:
    assert since_when(text, NOW) == when


@pytest.mark.parametrize(
    "text", ["", "h", "1", "1w", "-1h", "1.5h", "yesterday", "²h", "999999999d", "2024-13-01"]
)
def test_another_text_is_no_time_and_the_error_tells_what_is(text: str) -> None:
    with pytest.raises(ValueError, match="is no time: 90s, 30m, 1h, 2d"):
        since_when(text, NOW)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(["--since", "1w"], "is no time"), (["--type", "study.deleted"], "study.deleted")],
)
def test_a_wrong_option_is_an_error_of_usage(data: Path, arguments: list[str], complaint: str) -> None:
    ran = CliRunner().invoke(app, ["events", "--no-follow", "--data", str(data), *arguments])
    assert ran.exit_code == 2
    assert complaint in ran.output
