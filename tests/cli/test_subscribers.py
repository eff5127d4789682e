"""`isthmus rewind`: a subscriber hears again of what came."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from isthmus.cli.main import app
from isthmus.cli.subscribers import rewind
from isthmus.common.bus import Bus, subjects
from isthmus.common.bus.streams import EVENTS
from isthmus.common.bus.subscribers import Subscription, keep
from isthmus.common.messages.audit import AuditType
from tests.audited import audited

pytestmark = pytest.mark.usefixtures("running")
AN_HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


async def test_what_a_subscriber_has_taken_comes_again(
    data: Path, bus: Bus, origin_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    subject = subjects.event("study.arrived", origin_name)
    await keep(bus, [Subscription(origin_name, (subject,))])
    await bus.jetstream.publish(subject, b"an event")
    for _ in range(2):
        taking = await bus.jetstream.pull_subscribe_bind(origin_name, EVENTS)
        (message,) = await taking.fetch(1)
        assert message.data == b"an event"
        await message.ack_sync()
        assert await rewind(data, origin_name, AN_HOUR_AGO)
        assert f"{origin_name} hears again of what came since" in capsys.readouterr().out
    assert await rewind(data, origin_name, datetime.now(UTC) + timedelta(hours=1))
    assert "it stays where it is, and misses nothing" in capsys.readouterr().out
    await keep(bus, [])


async def test_that_somebody_has_it_come_again_is_recorded(data: Path, bus: Bus, origin_name: str) -> None:
    await keep(bus, [Subscription(origin_name, (subjects.event("study.arrived", origin_name),))])
    assert await rewind(data, origin_name, AN_HOUR_AGO)
    of_it = [one for one in await audited(bus, service="isthmus") if repr(origin_name) in one.reason]
    assert [(one.action, one.event_type) for one in of_it] == [
        ("isthmus rewind", AuditType.USE_OF_RESTRICTED_FUNCTION)
    ]
    await keep(bus, [])


async def test_who_is_no_subscriber_is_not_rewound(
    data: Path, origin_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not await rewind(data, origin_name, AN_HOUR_AGO)
    assert f"there is no subscriber '{origin_name}'" in capsys.readouterr().err


def test_a_time_is_required_and_has_to_be_one(data: Path) -> None:
    for arguments in (["rewind", "ai"], ["rewind", "ai", "--since", "yesterday"]):
        said = CliRunner().invoke(app, [*arguments, "--data", str(data)])
        assert said.exit_code == 2
        assert "--since" in said.output
