"""What `isthmus dead` shows of dead letters, and what becomes of them."""

from pathlib import Path
from uuid import uuid4

import orjson
import pytest
from nats.js.api import AckPolicy, ConsumerConfig
from typer.testing import CliRunner

from isthmus.cli.dead import drop, list_letters, replay, show
from isthmus.cli.main import app
from isthmus.cli.run_file import NotRunning, RunFile, S3Part
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, dead, forwards, streams, subjects, webhooks
from isthmus.common.bus.forwards import ForwardedStudies, is_pending
from isthmus.common.config.settings import S3
from isthmus.common.inbox.state import States, StudyState
from isthmus.common.messages import (
    BlobRef,
    DeadLetter,
    Forwarded,
    Forwarding,
    Refusal,
    decode,
    encode,
)
from isthmus.common.messages.cloud_events import to_json
from isthmus.common.messages.events import CloudEvent, EventType, Reason, StudyEvent

pytestmark = pytest.mark.usefixtures("running")

PATIENT = "Doe^Jane"


class Grave:
    """Dead letters to a destination that no other test has."""

    def __init__(self, bus: Bus, origin: str) -> None:
        self.bus = bus
        self.origin = origin
        self.name = f"pacs-{uuid4().hex[:12]}"

    async def bury(self, study: str = "1.2.3") -> int:
        """Bury what did not get there; gives its number."""
        ref = BlobRef("isthmus", f"inbox/{study}", 1, study, f"{study}.1", f"{study}.1.1", "1.2", "1.2.1")
        lost = Forwarding(
            uuid4().hex,
            self.origin,
            study,
            self.name,
            (ref,),
            1_700_000_000.0,
            attempts=10,
            refusals=(Refusal(ref.sop_instance_uid, 0xA900, "OperationFailed"),),
        )
        return await self._bury(DeadLetter("forward", self.name, "1 x A900", 10, 1.7e9, 1.7e9, encode(lost)))

    async def bury_spooled(self, key: str) -> int:
        """Bury what came by C-STORE for the destination itself, and is held nowhere else."""
        ref = BlobRef("isthmus", key, 1, "1.2.3", "1.2.3.1", "1.2.3.1.1", "1.2", "1.2.1")
        lost = Forwarding(uuid4().hex, self.name, "1.2.3", self.name, (ref,), 1_700_000_000.0, attempts=10)
        return await self._bury(DeadLetter("forward", self.name, "1 x A900", 10, 1.7e9, 1.7e9, encode(lost)))

    async def bury_event(self) -> int:
        """Bury an event that a webhook did not take."""
        event = StudyEvent(
            self.origin,
            "1.2.3",
            1,
            1,
            1,
            "assumed",
            Reason.QUIET,
            "http://127.0.0.1/",
            (),
            {},
            {"00100010": {"vr": "PN", "Value": [{"Alphabetic": PATIENT}]}},
            (),
        )
        payload = to_json(CloudEvent("an-event", EventType.STUDY_ARRIVED, event, "2026-01-01T00:00:00Z"))
        return await self._bury(DeadLetter("webhook", self.name, "503", 3, 1.7e9, 1.7e9, payload))

    async def bury_garbage(self) -> int:
        """Bury what nobody can read."""
        letter = DeadLetter("forward", self.name, "1 x A900", 10, 1.7e9, 1.7e9, b"?")
        subject = subjects.dead_forward(self.name, self.origin, "1.2.3")
        await self.bus.jetstream.publish(subject, encode(letter))
        return (await self.numbers())[-1]

    async def _bury(self, letter: DeadLetter) -> int:
        await dead.bury(self.bus, letter, uuid4().hex)
        return (await self.numbers())[-1]

    async def numbers(self) -> list[int]:
        """Give the numbers of the letters that are there."""
        return [buried.number async for buried in dead.letters(self.bus, self.name)]

    async def want(self) -> None:
        """Let the settings have an origin and a webhook of this name."""
        for name, subject in (
            (forwards.consumer_name(self.name), subjects.forwards(self.name)),
            (webhooks.consumer_name(self.name), subjects.webhook(self.name)),
        ):
            await self.bus.jetstream.add_consumer(
                streams.FORWARDS,
                ConsumerConfig(durable_name=name, filter_subject=subject, ack_policy=AckPolicy.EXPLICIT),
            )

    async def hold(self, study: str, contents: str | None = "a list") -> None:
        """Let the inbox have a study; without a list, one that was deleted."""
        assert await States(self.bus).put(StudyState(self.origin, study, contents=contents), 0)


@pytest.fixture
def grave(bus: Bus, origin_name: str) -> Grave:
    return Grave(bus, origin_name)


async def test_without_a_running_system_nothing_can_be_said(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        await list_letters(tmp_path, None, as_json=False)
    with pytest.raises(NotRunning):
        await replay(tmp_path, [1], None, everything=False, as_json=False)


async def test_the_letters_to_a_destination_are_listed(
    data: Path, grave: Grave, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Grave(grave.bus, grave.origin)
    first, _, last = await grave.bury(), await other.bury(), await grave.bury_event()
    await list_letters(data, grave.name, as_json=True)
    assert orjson.loads(capsys.readouterr().out) == [
        {
            "number": first,
            "what": "forward",
            "to": grave.name,
            "reason": "1 x A900",
            "attempts": 10,
            "first": "2023-11-14T22:13:20Z",
            "last": "2023-11-14T22:13:20Z",
        },
        {
            "number": last,
            "what": "webhook",
            "to": grave.name,
            "reason": "503",
            "attempts": 3,
            "first": "2023-11-14T22:13:20Z",
            "last": "2023-11-14T22:13:20Z",
        },
    ]
    await list_letters(data, None, as_json=True)
    assert {one["to"] for one in orjson.loads(capsys.readouterr().out)} >= {grave.name, other.name}
    await list_letters(data, grave.name, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:3] == [str(first), "forward", grave.name]
    assert lines[-1] == "2 dead letters"


async def test_a_letter_is_shown_with_each_refusal(
    data: Path, grave: Grave, capsys: pytest.CaptureFixture[str]
) -> None:
    number = await grave.bury()
    assert await show(data, number, as_json=True)
    shown = orjson.loads(capsys.readouterr().out)
    assert shown["instances"] == [{"instance": "1.2.3.1.1", "status": "A900", "kind": "OperationFailed"}]
    assert (shown["origin"], shown["study"]) == (grave.origin, "1.2.3")
    assert await show(data, number, as_json=False)
    assert "  1.2.3.1.1 A900 OperationFailed\n" in capsys.readouterr().out


@pytest.mark.parametrize("as_json", [True, False])
async def test_an_event_is_shown_without_the_patient(
    data: Path, grave: Grave, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    assert await show(data, await grave.bury_event(), as_json=as_json)
    shown = capsys.readouterr().out
    assert "study.arrived" in shown
    assert "an-event" in shown
    assert PATIENT not in shown


async def test_what_nobody_can_read_any_more_is_shown_as_that(
    data: Path, grave: Grave, capsys: pytest.CaptureFixture[str]
) -> None:
    number = await grave._bury(DeadLetter("webhook", grave.name, "503", 3, 1.7e9, 1.7e9, b"?"))
    assert await show(data, number, as_json=True)
    assert "unreadable" in orjson.loads(capsys.readouterr().out)


async def test_a_letter_that_is_not_there_is_an_error_that_names_it(
    data: Path, grave: Grave, capsys: pytest.CaptureFixture[str]
) -> None:
    number = await grave.bury() + 1_000_000
    assert not await show(data, number, as_json=False)
    assert not await replay(data, [number], None, everything=False, as_json=False)
    assert not await drop(data, [number], None, everything=False, as_json=False)
    assert capsys.readouterr().err == f"there is no dead letter {number}\n" * 3


async def test_a_replayed_letter_is_in_its_queue_again_with_all_its_attempts(
    data: Path, grave: Grave, capsys: pytest.CaptureFixture[str]
) -> None:
    study = f"1.2.{uuid4().int}"
    number, other = await grave.bury(study), await grave.bury()
    await grave.want()
    await grave.hold(study)
    before = await dead.find(grave.bus, number)
    assert before is not None
    assert await replay(data, [number], None, everything=False, as_json=True)
    assert orjson.loads(capsys.readouterr().out) == {"replayed": [number], "unknown": [], "left": []}
    assert await grave.numbers() == [other]
    queued = await grave.bus.jetstream.get_last_msg(
        streams.FORWARDS, subjects.forward(grave.name, grave.origin, study)
    )
    forwarding = decode(queued.data or b"", Forwarding)
    assert (forwarding.attempts, forwarding.refusals) == (0, ())
    assert forwarding.blobs == before.forwarding.blobs
    # The results of the job with the old id would be taken for those of the new one.
    assert forwarding.id != before.forwarding.id


async def test_what_nobody_would_take_stays_and_is_told(
    data: Path, grave: Grave, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = [await grave.bury(), await grave.bury_event()]
    assert not await replay(data, [], grave.name, everything=True, as_json=False)
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        f"dead letter {numbers[0]} stays: the settings have no origin '{grave.name}'",
        f"dead letter {numbers[1]} stays: the settings have no webhook '{grave.name}'",
    ]
    assert said.out == "0 dead letters replayed\n"
    assert await grave.numbers() == numbers


async def test_what_was_deleted_cannot_be_replayed(
    data: Path, grave: Grave, capsys: pytest.CaptureFixture[str]
) -> None:
    study = f"1.2.{uuid4().int}"
    number, here = await grave.bury(study), await grave.bury("1.2.4")
    await grave.want()
    await grave.hold(study, None)
    await grave.hold("1.2.4")
    assert not await replay(data, [number, here], None, everything=False, as_json=True)
    reason = f"its study was deleted from '{grave.origin}'"
    assert orjson.loads(capsys.readouterr().out) == {
        "replayed": [here],
        "unknown": [],
        "left": [{"number": number, "reason": reason}],
    }
    assert await grave.numbers() == [number]
    assert await drop(data, [number], None, everything=False, as_json=False)


async def test_a_letter_that_nobody_can_read_is_not_replayed_but_can_be_dropped(
    data: Path, grave: Grave
) -> None:
    number = await grave.bury_garbage()
    await grave.want()
    assert not await replay(data, [number], None, everything=False, as_json=False)
    assert await grave.numbers() == [number]
    assert await drop(data, [number], None, everything=False, as_json=False)
    assert await grave.numbers() == []


async def test_who_replays_after_a_crash_puts_it_back_once(grave: Grave) -> None:
    study = f"1.2.{uuid4().int}"
    buried = await dead.find(grave.bus, await grave.bury(study))
    assert buried is not None
    await dead.replay(grave.bus, buried)
    await dead.replay(grave.bus, buried)
    info = await grave.bus.jetstream.stream_info(
        streams.FORWARDS, subjects_filter=subjects.forwards(grave.name)
    )
    assert list((info.state.subjects or {}).values()) == [1]


async def test_a_replayed_event_goes_to_its_webhook_alone(data: Path, grave: Grave) -> None:
    number = await grave.bury_event()
    await grave.want()
    buried = await dead.find(grave.bus, number)
    assert buried is not None
    assert await replay(data, [], grave.name, everything=True, as_json=False)
    assert await grave.numbers() == []
    queued = await grave.bus.jetstream.get_last_msg(streams.FORWARDS, subjects.webhook(grave.name))
    assert queued.data == buried.letter.payload


async def test_a_dropped_letter_is_gone_and_the_study_is_known_to_lack_it(
    data: Path, grave: Grave, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = await grave.bury(), await grave.bury()
    assert await drop(data, [first, first], None, everything=False, as_json=False)
    assert capsys.readouterr().out == "1 dead letters dropped\n"
    assert await grave.numbers() == [second]
    assert not await is_pending(grave.bus, grave.origin, "1.2.3")
    noted = await ForwardedStudies(grave.bus).get(grave.origin, "1.2.3", grave.name)
    assert noted == Forwarded(is_lacking=True)


async def test_all_letters_to_one_are_dropped_and_no_others(data: Path, grave: Grave) -> None:
    other = Grave(grave.bus, grave.origin)
    kept = await other.bury()
    await grave.bury()
    await grave.bury_event()
    assert await drop(data, [], grave.name, everything=True, as_json=False)
    assert await grave.numbers() == []
    assert await other.numbers() == [kept]


@pytest.mark.parametrize(
    "arguments",
    [["drop"], ["replay"], ["drop", "1", "--all"], ["replay", "1", "--to", "pacs"], ["show", "0"]],
)
def test_a_command_that_does_not_say_which_letters_is_wrong(data: Path, arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["dead", *arguments, "--data", str(data)])
    assert result.exit_code == 2


@pytest.mark.parametrize("number", [123456789, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30])
def test_a_letter_that_is_not_there_ends_the_command_with_1(data: Path, number: int) -> None:
    result = CliRunner().invoke(app, ["dead", "show", str(number), "--data", str(data)])
    assert (result.exit_code, result.stderr) == (1, f"there is no dead letter {number}\n")


async def test_what_came_by_c_store_is_in_no_inbox_and_can_be_replayed_all_the_same(
    data: Path, grave: Grave
) -> None:
    number = await grave.bury_spooled("spool/a-job/0.dcm")
    await grave.want()
    assert await replay(data, [number], None, everything=False, as_json=False)
    assert await is_pending(grave.bus, grave.name, "1.2.3")


async def test_with_what_came_by_c_store_and_is_dropped_goes_its_blob(
    data: Path, grave: Grave, blobs: BlobStore, s3_settings: S3
) -> None:
    s3 = S3Part.model_validate(s3_settings.model_dump())
    RunFile.read(data).model_copy(update={"s3": s3}).write(data)
    key = f"spool/{uuid4().hex}/0.dcm"
    await blobs.put(key, b"an instance")
    number = await grave.bury_spooled(key)
    assert await drop(data, [number], None, everything=False, as_json=False)
    assert await blobs.size(key) is None
    assert await grave.numbers() == []
