"""What inboxes and buckets take of a store job: several instances at a time, each with its own result."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from isthmus.common.bus import end_tasks
from isthmus.common.dicom.statuses import SUCCESS, UNABLE_TO_PROCESS
from isthmus.common.errors import (
    BlobMissing,
    ContractError,
    MalformedDataset,
    OperationFailed,
    StoreUnavailable,
)
from isthmus.common.messages import BlobRef, InstanceStored
from isthmus.common.storing import Answer, Numbered, not_stored

AT_ONCE: Final = 4
"""Instances of one job."""

Take = Callable[[BlobRef], Awaitable[None]]
"""Puts an instance where it belongs, or raises why not."""


class Taking:
    """One job; what goes wrong with an instance is its result, and the others go on."""

    def __init__(self, origin: str, take: Take) -> None:
        self._origin = origin
        self._take = take
        self._given_up: StoreUnavailable | None = None
        """Why the rest is not tried."""

    async def run(self, left: Sequence[Numbered], answer: Answer) -> None:
        """Take all, and publish what became of each.

        Raises:
            UnavailableError: NATS is away.
        """
        waiting = iter(left)

        async def take_some() -> None:
            for one in waiting:
                await answer(await self._result(*one))

        taking_some = [asyncio.create_task(take_some()) for _ in range(min(AT_ONCE, len(left)))]
        try:
            await asyncio.gather(*taking_some)
        finally:
            await end_tasks(taking_some)

    async def _result(self, index: int, ref: BlobRef) -> InstanceStored:
        """Take one; NATS in trouble is raised, all else is its result."""
        try:
            if self._given_up is not None:
                raise self._given_up
            await self._take(ref)
        except StoreUnavailable as error:
            if not isinstance(error, BlobMissing):
                self._given_up = error  # S3 was waited for, and the rest need not wait as long each
            return not_stored(index, ref, error)
        except MalformedDataset as error:
            return not_stored(index, ref, refusal(self._origin, error.detail, UNABLE_TO_PROCESS))
        except (OperationFailed, ContractError) as error:  # the record of its study may not be readable
            return not_stored(index, ref, error)
        return InstanceStored(index, ref.sop_class_uid, ref.sop_instance_uid, SUCCESS)


def refusal(origin: str, reason: str, status: int) -> OperationFailed:
    """Say with a DICOM status why an instance is not taken."""
    return OperationFailed(reason, origin=origin, status=status, operation="C-STORE")
