"""Steps and notifications as modalities send them, and what is told of them."""

import asyncio
from collections.abc import Callable

from nats.js.api import ConsumerConfig, DeliverPolicy
from pydicom.dataset import Dataset
from pynetdicom.association import Association

from isthmus.common.bus import Bus, streams
from isthmus.common.bus.subjects import token
from isthmus.common.config import Inbox
from isthmus.common.messages import AssociationEnded, InstancesReported, decode
from isthmus.scp.reports.reports import PERFORMED_PROCEDURE_STEP
from tests.scp.modality import CT, MODALITY, Modality

STEP = "1.2.3.77"
Do = Callable[[Association], Dataset]


def item(**attributes: object) -> Dataset:
    data = Dataset()
    for keyword, value in attributes.items():
        setattr(data, keyword, value)
    return data


def references(*instances: str) -> list[Dataset]:
    return [item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=uid) for uid in instances]


def series(*images: str, others: tuple[str, ...] = ()) -> Dataset:
    return item(
        SeriesInstanceUID="1.2.3.9",
        ReferencedImageSequence=references(*images),
        ReferencedNonImageCompositeSOPInstanceSequence=references(*others),
    )


def new_step(*studies: str) -> Dataset:
    return item(
        PatientName="Nobody^Geheim",
        ScheduledStepAttributesSequence=[item(StudyInstanceUID=uid) for uid in studies or ("1.2.3",)],
        PerformedProcedureStepID="PPS1",
        PerformedStationAETitle=MODALITY,
        PerformedProcedureStepStartDate="20260101",
        PerformedProcedureStepStartTime="120000",
        PerformedProcedureStepStatus="IN PROGRESS",
        PerformedSeriesSequence=[],
        Modality="CT",
    )


def change(status: str, *performed: Dataset) -> Dataset:
    return item(PerformedProcedureStepStatus=status, PerformedSeriesSequence=list(performed))


def notification(*instances: str, availability: str = "ONLINE", of_step: bool = True) -> Dataset:
    items = references(*instances)
    for one in items:
        one.InstanceAvailability = availability
        one.RetrieveAETitle = "ARCHIVE"
    sent = item(SeriesInstanceUID="1.2.3.9", ReferencedSOPSequence=items)
    return item(
        ReferencedPerformedProcedureStepSequence=[
            item(
                ReferencedSOPClassUID=PERFORMED_PROCEDURE_STEP,
                ReferencedSOPInstanceUID=STEP,
                PerformedWorkitemCodeSequence=[],
            )
        ]
        * of_step,
        StudyInstanceUID="1.2.3",
        ReferencedSeriesSequence=[sent],
    )


def creating(data: Dataset, uid: str | None = STEP, sop_class: str = PERFORMED_PROCEDURE_STEP) -> Do:
    return lambda association: association.send_n_create(data, sop_class, uid)[0]


def setting(data: Dataset, uid: str = STEP) -> Do:
    return lambda association: association.send_n_set(data, PERFORMED_PROCEDURE_STEP, uid)[0]


def without(keyword: str, data: Dataset) -> Dataset:
    del data[keyword]
    return data


def with_status(status: str, data: Dataset) -> Dataset:
    data.PerformedProcedureStepStatus = status
    return data


async def answers(port: int, *doing: Do) -> list[tuple[int, str]]:
    """Do it all over one association, and give status and Error Comment of each."""

    def run() -> list[tuple[int, str]]:
        with Modality().associated(port) as association:
            statuses = [do(association) for do in doing]
        return [(int(one.Status), str(one.get("ErrorComment", ""))) for one in statuses]

    return await asyncio.to_thread(run)


async def told(bus: Bus, inbox: Inbox) -> list[InstancesReported]:
    """What `arrivals` was told, in its order."""
    subject = f"dicom.told.{token(inbox.name)}.>"
    config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
    reader = await bus.jetstream.pull_subscribe(subject, stream=streams.EVENTS, config=config)
    waiting = (await reader.consumer_info()).num_pending or 0
    messages = await reader.fetch(waiting) if waiting else []
    await reader.unsubscribe()
    found = [decode(message.data, AssociationEnded, InstancesReported) for message in messages]
    return [one for one in found if isinstance(one, InstancesReported)]
