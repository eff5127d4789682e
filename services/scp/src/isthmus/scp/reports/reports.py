"""Modality Performed Procedure Step and Instance Availability Notification, as provider (PS3.4 F.7, R.3).

What they name is told to `arrivals`, so that it knows when a study is complete. The record is written first,
as not told; Success is answered when it is told. So a sender that got no Success may repeat what it sent.
"""

from dataclasses import replace
from typing import Final
from uuid import uuid4

from isthmus.common.bus import Bus
from isthmus.common.bus.events import tell
from isthmus.common.dicom.statuses import (
    DUPLICATE_SOP_INSTANCE,
    MISSING_ATTRIBUTE,
    NO_SUCH_SOP_INSTANCE,
    PROCESSING_FAILURE,
    RESOURCE_LIMITATION,
)
from isthmus.common.messages import InstancesReported
from isthmus.scp.normalized import Refused
from isthmus.scp.reports.reading import Change, Named, StepStatus
from isthmus.scp.reports.state import ReportState, ReportStates

PERFORMED_PROCEDURE_STEP: Final = "1.2.840.10008.3.1.2.3.3"
"""The Modality Performed Procedure Step SOP Class (PS3.4 F.7)."""
INSTANCE_AVAILABILITY: Final = "1.2.840.10008.5.1.4.33"
"""The Instance Availability Notification SOP Class (PS3.4 R.3)."""
NOT_UPDATED_ANY_MORE: Final = 0xA710
"""Error ID (0000,0903) beside 0110 (PS3.4 Table F.7.2-2)."""
MOST_INSTANCES: Final = 10_000
"""Of one report that are told: it is one message. One that names more counts as one that may name more."""
MOST_STUDIES: Final = 64
"""That one step may name: each is told."""


class Reports:
    """Takes them for all inboxes."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._states = ReportStates(bus)

    async def begin(self, inbox: str, report: str, named: Named) -> None:
        """Create a Performed Procedure Step, which is in progress.

        Raises:
            Refused: 0111 where there is one with this UID; 0213 where it names too many studies.
            BusUnavailable: NATS is away: the sender is to repeat it.
        """
        await self._create(_state(inbox, report, PERFORMED_PROCEDURE_STEP, named, is_final=False))

    async def notify(self, inbox: str, report: str, named: Named) -> None:
        """Take an Instance Availability Notification.

        Only one about a Performed Procedure Step tells that nothing else is to come (PS3.4 R.3.2.1.2).

        Raises:
            Refused: 0111 where there is one with this UID.
            BusUnavailable: NATS is away: the sender is to repeat it.
        """
        await self._create(_state(inbox, report, INSTANCE_AVAILABILITY, named, is_final=named.of_step))

    async def change(self, inbox: str, report: str, change: Change) -> None:
        """Change a Performed Procedure Step.

        Raises:
            Refused: 0112 where there is none; 0110 where its status is final; 0120 where it is completed
                without a series.
            BusUnavailable: NATS is away: the sender is to repeat it.
        """
        while True:
            kept = await self._states.get(inbox, report)
            if kept is None or kept.state.sop_class_uid != PERFORMED_PROCEDURE_STEP:
                raise Refused(NO_SUCH_SOP_INSTANCE, "There is no Performed Procedure Step with this UID")
            changed = _changed(kept.state, change)
            if kept.state.is_final and (kept.state.is_told or changed != kept.state):
                raise Refused(
                    PROCESSING_FAILURE,
                    "Performed Procedure Step Object may no longer be updated",
                    NOT_UPDATED_ANY_MORE,
                )
            if await self._keep_and_tell(changed, kept.revision):
                return

    async def _create(self, state: ReportState) -> None:
        kept = await self._states.get(state.inbox, state.report)
        if kept is not None and kept.state != state:  # else it is the repeat of what was not told
            raise Refused(DUPLICATE_SOP_INSTANCE, "There is an instance with this UID already")
        if not await self._keep_and_tell(state, kept.revision if kept is not None else 0):
            raise Refused(DUPLICATE_SOP_INSTANCE, "There is an instance with this UID already")

    async def _keep_and_tell(self, state: ReportState, revision: int) -> bool:
        """Write a record, and tell what it says; False if somebody else has written it meanwhile."""
        written = await self._states.put(state, revision)
        if written is None:
            return False
        await self._tell(state)
        # Whoever has written it since has also told it.
        await self._states.put(replace(state, is_told=True), written)
        return True

    async def _tell(self, state: ReportState) -> None:
        """Tell each study of all that is named.

        Nothing in a step says which instances are of which study (PS3.4 Table F.7.2-1). So a study that
        has all of them is complete; of one that has some the step says nothing.
        """
        is_final = state.is_final and not state.is_cut
        for study in state.studies:
            await tell(
                self._bus, InstancesReported(state.inbox, study, state.report, state.instances, is_final)
            )


def new_uid() -> str:
    """Give a UID to what comes without one (PS3.7 10.1.5.1.4; PS3.5 B.2)."""
    return f"2.25.{uuid4().int}"


def _state(inbox: str, report: str, sop_class_uid: str, named: Named, *, is_final: bool) -> ReportState:
    if len(named.studies) > MOST_STUDIES:
        raise Refused(RESOURCE_LIMITATION, f"More than {MOST_STUDIES} studies are named")
    state = ReportState(
        inbox, report, sop_class_uid, named.studies, has_series=named.has_series, is_final=is_final
    )
    return _with_instances(state, named.instances)


def _with_instances(state: ReportState, instances: tuple[str, ...]) -> ReportState:
    is_cut = len(instances) > MOST_INSTANCES
    return replace(state, instances=() if is_cut else instances, is_cut=is_cut)


def _changed(state: ReportState, change: Change) -> ReportState:
    """Apply a change; a Performed Series Sequence takes the place of the one before as a whole."""
    if change.instances is not None:
        state = replace(_with_instances(state, change.instances), has_series=change.has_series)
    if change.status is StepStatus.COMPLETED and not state.has_series:
        raise Refused(MISSING_ATTRIBUTE, "PerformedSeriesSequence is missing in a step that is COMPLETED")
    is_final = state.is_final or change.status in (StepStatus.COMPLETED, StepStatus.DISCONTINUED)
    return replace(state, is_final=is_final, is_told=False)
