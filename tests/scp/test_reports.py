"""What modalities report beside images: performed procedure steps, and the availability of instances."""

import asyncio

import pytest
from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.association import Association

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.events import tell
from isthmus.common.config import Inbox, Protocol, Settings
from isthmus.common.errors import BusUnavailable
from isthmus.common.messages import AssociationEnded, InstancesReported
from isthmus.common.service import Parts
from isthmus.scp.reports import reports
from isthmus.scp.reports.reports import INSTANCE_AVAILABILITY
from tests.scp.conftest import with_rules
from tests.scp.modality import MODALITY, Modality, services, with_callers
from tests.scp.reporting import (
    STEP,
    Do,
    answers,
    change,
    creating,
    item,
    new_step,
    notification,
    series,
    setting,
    told,
    with_status,
    without,
)


@pytest.fixture
def inbox(origin_name: str) -> Inbox:
    return Inbox(name=origin_name, protocol=Protocol.INBOX, ae_title="INBOX")


@pytest.fixture
def parts(bus: Bus, blobs: BlobStore, inbox: Inbox) -> Parts:
    return with_callers(Parts(Settings(), bus, blobs), inbox)


# What is wrong.


def wrong() -> list[tuple[str, Do, int, str]]:
    return [
        (
            "no study at all",
            creating(item(Modality="CT")),
            0x0120,
            "ScheduledStepAttributesSequence is missing",
        ),
        (
            "no scheduled step",
            creating(item(ScheduledStepAttributesSequence=[])),
            0x0121,
            "ScheduledStepAttributesSequence has no item",
        ),
        (
            "no study",
            creating(item(ScheduledStepAttributesSequence=[Dataset()])),
            0x0120,
            "StudyInstanceUID is missing",
        ),
        ("an empty study", creating(new_step("")), 0x0121, "StudyInstanceUID is empty"),
        ("a bad study", creating(new_step("1.2/3")), 0x0106, "StudyInstanceUID is no UID"),
        (
            "no id",
            creating(without("PerformedProcedureStepID", new_step())),
            0x0120,
            "PerformedProcedureStepID is missing",
        ),
        ("no modality", creating(without("Modality", new_step())), 0x0120, "Modality is missing"),
        (
            "a status that does not begin",
            creating(with_status("COMPLETED", new_step())),
            0x0106,
            "PerformedProcedureStepStatus of a new step is not IN PROGRESS",
        ),
        ("a bad UID", creating(new_step(), "1.2/3"), 0x0117, "The SOP Instance UID is no UID"),
        (
            "what was never created",
            setting(change("COMPLETED", series("1.2.3.4"))),
            0x0112,
            "There is no Performed Procedure Step with this UID",
        ),
        (
            "a notification without series",
            creating(without("ReferencedSeriesSequence", notification()), "1.2.3.88", INSTANCE_AVAILABILITY),
            0x0120,
            "ReferencedSeriesSequence is missing",
        ),
        (
            "an availability that is none",
            creating(notification("1.2.3.4", availability="SOON"), "1.2.3.88", INSTANCE_AVAILABILITY),
            0x0106,
            "InstanceAvailability has none of its defined terms",
        ),
    ]


async def test_what_is_wrong_is_refused_by_name_and_told_to_nobody(
    parts: Parts, bus: Bus, inbox: Inbox
) -> None:
    async with services(parts) as port:
        all_of_them = wrong()
        given = await answers(port, *(do for _, do, _, _ in all_of_them))
    expected = [(what, status, comment) for what, _, status, comment in all_of_them]
    assert [(what, *answer) for (what, *_), answer in zip(all_of_them, given, strict=True)] == expected
    assert await told(bus, inbox) == []


async def test_a_change_that_is_wrong_is_refused_by_name(parts: Parts, bus: Bus, inbox: Inbox) -> None:
    async with services(parts) as port:
        given = await answers(
            port,
            creating(new_step()),
            setting(change("FINISHED")),
            setting(change("COMPLETED")),
            setting(change("COMPLETED", Dataset())),
            setting(change("COMPLETED", series(""))),
        )
    assert given[1:] == [
        (0x0106, "PerformedProcedureStepStatus has none of its defined terms"),
        (0x0120, "PerformedSeriesSequence is missing in a step that is COMPLETED"),
        (0x0120, "SeriesInstanceUID is missing"),
        (0x0121, "ReferencedSOPInstanceUID is empty"),
    ]
    assert [one.final for one in await told(bus, inbox)] == [False]


async def test_a_caller_that_may_not_report_is_told_so(parts: Parts) -> None:
    searches: dict[str, object] = {"ae_title": MODALITY, "operations": ["search"]}
    async with services(with_rules(parts, searches)) as port:
        given = await answers(port, creating(new_step()), setting(change("COMPLETED")))
    assert given == [(0x0124, f"{name} is not allowed to this caller") for name in ("N-CREATE", "N-SET")]


async def test_a_second_step_with_the_same_uid_is_a_duplicate(parts: Parts, bus: Bus, inbox: Inbox) -> None:
    async with services(parts) as port:
        given = await answers(port, creating(new_step()), creating(new_step()), creating(new_step("1.2.4")))
    assert given == [(0, ""), *[(0x0111, "There is an instance with this UID already")] * 2]
    assert len(await told(bus, inbox)) == 1


@pytest.mark.parametrize("final", ["COMPLETED", "DISCONTINUED"])
async def test_a_step_that_is_over_is_not_changed_any_more(
    parts: Parts, bus: Bus, inbox: Inbox, final: str
) -> None:
    ended: list[Dataset] = []

    def once_more(association: Association) -> Dataset:
        ended.append(setting(change(final, series("1.2.3.4")))(association))
        return ended[0]

    async with services(parts) as port:
        given = await answers(
            port, creating(new_step()), setting(change(final, series("1.2.3.4"))), once_more
        )
    assert given == [(0, ""), (0, ""), (0x0110, "Performed Procedure Step Object may no longer be updated")]
    assert ended[0].ErrorID == 0xA710
    assert len(await told(bus, inbox)) == 2


# What is told.


async def test_a_step_tells_what_it_names_and_when_it_is_over(parts: Parts, bus: Bus, inbox: Inbox) -> None:
    performed = series("1.2.3.4", "1.2.3.5", others=("1.2.3.6",))
    async with services(parts) as port:
        given = await answers(
            port,
            creating(new_step()),
            setting(change("IN PROGRESS", series("1.2.3.4"))),
            setting(item(PerformedProcedureStepStatus="IN PROGRESS")),
            setting(change("COMPLETED", performed, series("1.2.3.7", "1.2.3.4"))),
        )
    assert given == [(0, "")] * 4
    all_of_it = ("1.2.3.4", "1.2.3.5", "1.2.3.6", "1.2.3.7")
    assert await told(bus, inbox) == [
        InstancesReported(inbox.name, "1.2.3", STEP, (), final=False),
        InstancesReported(inbox.name, "1.2.3", STEP, ("1.2.3.4",), final=False),
        InstancesReported(inbox.name, "1.2.3", STEP, ("1.2.3.4",), final=False),
        InstancesReported(inbox.name, "1.2.3", STEP, all_of_it, final=True),
    ]


async def test_a_step_that_is_discontinued_is_over_with_what_it_named(
    parts: Parts, bus: Bus, inbox: Inbox
) -> None:
    async with services(parts) as port:
        given = await answers(
            port,
            creating(new_step()),
            setting(change("IN PROGRESS", series("1.2.3.4"))),
            setting(item(PerformedProcedureStepStatus="DISCONTINUED")),
            creating(new_step(), "1.2.3.78"),
            setting(item(PerformedProcedureStepStatus="DISCONTINUED"), "1.2.3.78"),
        )
    assert given == [(0, "")] * 5
    assert [(one.report, one.instances) for one in await told(bus, inbox) if one.final] == [
        (STEP, ("1.2.3.4",)),
        ("1.2.3.78", ()),
    ]


async def test_a_step_of_several_studies_tells_each_of_all_that_it_names(
    parts: Parts, bus: Bus, inbox: Inbox
) -> None:
    async with services(parts) as port:
        given = await answers(
            port, creating(new_step("1.2.3", "1.2.4")), setting(change("COMPLETED", series("1.2.3.4")))
        )
    assert given == [(0, "")] * 2
    assert await told(bus, inbox) == [
        InstancesReported(inbox.name, study, STEP, instances, final)
        for instances, final in (((), False), (("1.2.3.4",), True))
        for study in ("1.2.3", "1.2.4")
    ]


async def test_a_step_of_too_many_studies_is_refused(parts: Parts, bus: Bus, inbox: Inbox) -> None:
    studies = [f"1.2.3.{number}" for number in range(reports.MOST_STUDIES + 1)]
    async with services(parts) as port:
        given = await answers(port, creating(new_step(*studies)))
    assert given == [(0x0213, f"More than {reports.MOST_STUDIES} studies are named")]
    assert await told(bus, inbox) == []


async def test_what_comes_without_a_uid_gets_one(parts: Parts, bus: Bus, inbox: Inbox) -> None:
    def run(port: int) -> tuple[str, int]:
        given: list[str] = []

        def received(event: evt.Event) -> None:
            given.append(event.message.command_set.AffectedSOPInstanceUID)

        with Modality().associated(port) as association:
            association.bind(evt.EVT_DIMSE_RECV, received)
            creating(new_step(), None)(association)
            association.unbind(evt.EVT_DIMSE_RECV, received)
            (uid,) = given
            return uid, int(setting(change("COMPLETED", series("1.2.3.4")), uid)(association).Status)

    async with services(parts) as port:
        uid, status = await asyncio.to_thread(run, port)
    assert status == 0
    assert [(one.report, one.final) for one in await told(bus, inbox)] == [(uid, False), (uid, True)]


async def test_a_notification_names_what_is_available_and_is_final(
    parts: Parts, bus: Bus, inbox: Inbox
) -> None:
    gone = notification("1.2.3.6", availability="UNAVAILABLE")
    data = notification("1.2.3.4", "1.2.3.5")
    data.ReferencedSeriesSequence.extend(gone.ReferencedSeriesSequence)
    async with services(parts) as port:
        given = await answers(
            port,
            creating(data, "1.2.3.88", INSTANCE_AVAILABILITY),
            creating(data, "1.2.3.88", INSTANCE_AVAILABILITY),
            setting(change("COMPLETED", series("1.2.3.4")), "1.2.3.88"),
        )
    assert [status for status, _ in given] == [0, 0x0111, 0x0112]
    assert await told(bus, inbox) == [
        InstancesReported(inbox.name, "1.2.3", "1.2.3.88", ("1.2.3.4", "1.2.3.5"), final=True)
    ]


async def test_a_notification_of_no_step_does_not_say_that_nothing_else_is_to_come(
    parts: Parts, bus: Bus, inbox: Inbox
) -> None:
    async with services(parts) as port:
        data = notification("1.2.3.4", of_step=False)
        ((status, _),) = await answers(port, creating(data, "1.2.3.88", INSTANCE_AVAILABILITY))
    assert status == 0
    assert await told(bus, inbox) == [
        InstancesReported(inbox.name, "1.2.3", "1.2.3.88", ("1.2.3.4",), final=False)
    ]


async def test_what_could_not_be_told_is_not_answered_with_success_and_may_be_repeated(
    parts: Parts, bus: Bus, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: Bus, what: AssociationEnded | InstancesReported) -> None:
        raise BusUnavailable("dicom.told: no answer in time")

    completing = setting(change("COMPLETED", series("1.2.3.4")))
    async with services(parts) as port:
        monkeypatch.setattr(reports, "tell", away)
        assert await answers(port, creating(new_step())) == [(0x0110, "dicom.told: no answer in time")]
        monkeypatch.setattr(reports, "tell", tell)
        assert await answers(port, creating(new_step())) == [(0, "")]
        monkeypatch.setattr(reports, "tell", away)
        assert await answers(port, completing) == [(0x0110, "dicom.told: no answer in time")]
        monkeypatch.setattr(reports, "tell", tell)
        refused, done = await answers(port, setting(change("COMPLETED", series("1.2.3.5"))), completing)
    assert (refused[0], done) == (0x0110, (0, ""))
    assert [(one.instances, one.final) for one in await told(bus, inbox)] == [
        ((), False),
        (("1.2.3.4",), True),
    ]


async def test_a_step_that_names_more_than_is_told_is_taken_and_completes_nothing(
    parts: Parts, bus: Bus, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "MOST_INSTANCES", 2)
    three = ("1.2.3.4", "1.2.3.5", "1.2.3.6")
    async with services(parts) as port:
        given = await answers(
            port,
            creating(new_step()),
            setting(change("IN PROGRESS", series(*three))),
            setting(change("IN PROGRESS", series(*three[:2]))),
            setting(change("COMPLETED", series(*three))),
            setting(change("COMPLETED", series(*three))),
            creating(notification(*three), "1.2.3.88", INSTANCE_AVAILABILITY),
        )
    assert [status for status, _ in given] == [0, 0, 0, 0, 0x0110, 0]
    assert [(one.instances, one.final) for one in await told(bus, inbox)] == [
        ((), False),
        ((), False),
        (three[:2], False),
        ((), False),
        ((), False),
    ]


async def test_logs_say_nothing_of_the_patient(parts: Parts, capsys: pytest.CaptureFixture[str]) -> None:
    async with services(parts) as port:
        await answers(port, creating(new_step("1.2.3.44444", "1.2.3.55555")), creating(new_step("Geheim/")))
    text = "".join(capsys.readouterr())
    assert "not done" in text
    assert not any(secret in text for secret in ("Geheim", "44444", "55555", STEP))
