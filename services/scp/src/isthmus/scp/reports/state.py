"""What is known of the steps and notifications that modalities reported: a record of each in KV."""

from dataclasses import dataclass

from isthmus.common.bus import Bus
from isthmus.common.bus.buckets import Records
from isthmus.common.bus.streams import REPORTS_BUCKET
from isthmus.common.messages import decode, encode


@dataclass(frozen=True, slots=True)
class ReportState:
    """A Performed Procedure Step, or a notification."""

    inbox: str
    report: str
    """Its SOP Instance UID."""
    sop_class_uid: str
    studies: tuple[str, ...]
    instances: tuple[str, ...] = ()
    """SOP Instance UIDs that it names; none where they are too many."""
    is_cut: bool = False
    """Whether they are."""
    has_series: bool = False
    is_final: bool = False
    is_told: bool = False
    """Whether `arrivals` was told; if not, its sender got no Success, and may repeat it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A record as it was read."""

    state: ReportState
    revision: int


class ReportStates:
    """The records, each for a week."""

    def __init__(self, bus: Bus) -> None:
        self._records = Records(bus, REPORTS_BUCKET)

    async def get(self, inbox: str, report: str) -> Kept | None:
        """Give a record; None where there is none.

        Raises:
            BusUnavailable: NATS is away.
            ContractError: it is of another version.
        """
        record, revision = await self._records.read(inbox, report)
        return None if record is None else Kept(decode(record, ReportState), revision)

    async def put(self, state: ReportState, revision: int) -> int | None:
        """Write a record and give its revision; None if it has changed since `revision` was read.

        Raises:
            BusUnavailable: NATS is away; nobody knows whether it was written.
        """
        return await self._records.write(encode(state), revision, state.inbox, state.report)
