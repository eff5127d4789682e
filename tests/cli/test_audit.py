"""What `isthmus audit` prints of the records, and what the commands record of themselves."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from isthmus.cli import keys
from isthmus.cli.audit import Wanted, show_audit
from isthmus.cli.main import app
from isthmus.cli.run_file import NotRunning
from isthmus.cli.settings_changes import FILE, digests, record_start
from isthmus.common.bus import Bus
from isthmus.common.bus.audit import audit, now
from isthmus.common.config import Settings
from isthmus.common.messages.audit import ActionCode, AuditEvent, AuditRecord, AuditType, Outcome
from tests import planted
from tests.audited import NO_RECORD, audited

pytestmark = pytest.mark.usefixtures("running")

READ = AuditRecord(
    time="2024-05-01T10:00:00.000Z",
    service="wado",
    action="GET",
    outcome=Outcome.ACCEPTED,
    event=AuditEvent.INSTANCES_TRANSFERRED,
    action_code=ActionCode.READ,
    kind="user",
    name="alice",
    address="10.1.0.7",
    studies=("1.2.3",),
    patients=("P-17",),
    instances=12,
)


async def printed(data: Path, capsys: pytest.CaptureFixture[str], wanted: Wanted, **how: object) -> list[str]:
    capsys.readouterr()
    await show_audit(data, wanted, **how)  # type: ignore[arg-type]  # as they are typed there
    return capsys.readouterr().out.splitlines()


async def test_without_a_running_system_nothing_can_be_said(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        await show_audit(tmp_path / "other", Wanted())


async def test_a_record_is_a_line(
    bus: Bus, data: Path, origin_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await audit(bus, replace(READ, origin=origin_name))
    refused = replace(
        READ, origin=origin_name, outcome=Outcome.REFUSED, event=AuditEvent.SECURITY_ALERT, instances=None
    )
    await audit(bus, replace(refused, kind="", name="", reason="HTTP 403\x1b[2J", patients=()))
    about = f"{origin_name}  study 1.2.3"
    assert await printed(data, capsys, Wanted(origin=origin_name)) == [
        "2024-05-01T10:00:00.000Z  accepted  instances-transferred  GET       user:alice (10.1.0.7)  "
        f"{about}  patient P-17  12 instances",
        f"2024-05-01T10:00:00.000Z  refused   security-alert         GET       10.1.0.7  {about}"
        "  - HTTP 403?[2J",
    ]


async def test_those_that_are_wanted_are_shown(
    bus: Bus, data: Path, origin_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one = replace(READ, origin=origin_name)
    await audit(bus, one)
    await audit(bus, replace(one, name="bob", patients=("P-18",), studies=("1.2.4",)))
    await audit(bus, replace(one, kind="ae-title", name="CT1", outcome=Outcome.FAILED))

    async def shown(**wanted: object) -> int:
        return len(await printed(data, capsys, Wanted(origin=origin_name, **wanted)))  # type: ignore[arg-type]  # as they are typed there

    assert await shown() == 3
    assert await shown(patient="P-17") == 2
    assert await shown(patient="P-1") == 0
    assert await shown(who="user:bob") == await shown(who="bob") == 1
    assert await shown(who="CT1") == 1
    assert await shown(who="10.1.0.7") == 3
    assert await shown(study="1.2.4") == 1
    assert await shown(outcome=Outcome.FAILED) == 1
    assert await shown(event=AuditEvent.QUERY) == 0
    assert await shown(patient="P-17", who="bob") == 0


async def test_that_there_is_none_is_said(
    data: Path, origin_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await show_audit(data, Wanted(origin=origin_name))
    out, err = capsys.readouterr()
    assert (out, err) == ("", "no record that is kept is one of these\n")


async def test_for_scripts_a_record_is_json(
    bus: Bus, data: Path, origin_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await audit(bus, replace(READ, origin=origin_name, identifier=b"\x08\x00"))
    (line,) = await printed(data, capsys, Wanted(origin=origin_name), as_json=True)
    record = json.loads(line)
    assert record["patients"] == ["P-17"]
    assert record["identifier"] == "CAA="
    assert (record["event"], record["action_code"]) == ("instances-transferred", "R")
    assert "series" not in record


async def test_older_ones_are_left_out(
    bus: Bus, data: Path, origin_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await audit(bus, replace(READ, origin=origin_name))
    since = datetime.now(UTC)
    await audit(bus, replace(READ, origin=origin_name, name="bob"))
    (line,) = await printed(data, capsys, Wanted(origin=origin_name), since=since)
    assert "user:bob" in line


async def test_who_looks_is_recorded_with_what_he_looked_for(
    bus: Bus, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    since = now()
    await printed(data, capsys, Wanted(patient="P-17", event=AuditEvent.QUERY))
    looked = [one for one in await audited(bus, service="isthmus") if one.time >= since]
    assert (looked[-1].event, looked[-1].action_code) == ("audit-log-used", "R")
    assert looked[-1].query == "patient=P-17&event=query"
    assert looked[-1].kind == "operator"
    assert looked[-1].name != ""


async def test_what_is_none_of_ours_is_named(
    bus: Bus, data: Path, origin_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await bus.jetstream.publish(f"dicom.audit.other.query.accepted.{origin_name}", NO_RECORD)
    (line,) = await printed(data, capsys, Wanted(origin=origin_name))
    assert "not understood" in line


def test_a_time_that_is_none_is_refused() -> None:
    result = CliRunner().invoke(app, ["audit", "--since", "yesterday"])
    assert result.exit_code == 2
    assert "yesterday" in result.output


async def test_keys_that_are_made_and_revoked_are_recorded(
    bus: Bus, data: Path, origin_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await keys.create(data, origin_name, None)
    key = capsys.readouterr().out.strip()
    await keys.revoke(data, origin_name)
    about = [one for one in await audited(bus, service="isthmus") if origin_name in one.reason]
    assert [one.reason for one in about] == [
        f"The API key '{origin_name}' is made",
        f"The API key '{origin_name}' is revoked",
    ]
    assert {one.event_type for one in about} == {AuditType.USER_SECURITY_ATTRIBUTES_CHANGED}
    assert key not in repr(about)


def settings(**changed: object) -> Settings:
    return Settings.model_validate({"access": {"link_key": planted.secret("link"), **changed}})


async def test_settings_that_changed_are_recorded_by_their_tables(bus: Bus, tmp_path: Path) -> None:
    async def started(now_in_force: Settings) -> list[str]:
        before = len(await audited(bus, service="isthmus"))
        await record_start(bus, now_in_force, tmp_path)
        return [one.reason for one in (await audited(bus, service="isthmus"))[before:]]

    assert await started(settings()) == [""]
    assert await started(settings()) == [""]
    rules = [{"anyone": True, "operations": ["search"]}]
    assert await started(settings(rules=rules)) == ["", "The settings have changed: access"]
    assert await started(settings(rules=rules)) == [""]
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_the_digest_of_settings_knows_no_secret() -> None:
    other = Settings.model_validate({"access": {"link_key": planted.secret("another link")}})
    assert digests(settings()) == digests(other)
    assert digests(settings()) != digests(settings(rules=[{"anyone": True, "operations": ["search"]}]))
