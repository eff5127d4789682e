"""Deletion from an inbox: first nobody finds it any more, then its blobs go.

The record says what is deleted until the blobs are gone, so that whoever finds it after a crash goes on. What
comes again meanwhile is safe: the keys of blobs have the life of the record in which they were written, and
only those of earlier lives go. So an event of an earlier life, delivered late, may be of what is deleted:
`is_deleted` tells.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from isthmus.common.blobs import BlobStore, derived_prefix
from isthmus.common.blobs.keys import inbox_prefix, life_of_key
from isthmus.common.bus import Bus
from isthmus.common.errors import ContractError, UnavailableError
from isthmus.common.inbox.contents import Contents, ContentsStore, Row
from isthmus.common.inbox.merge import counted_series
from isthmus.common.inbox.reading import read_study
from isthmus.common.inbox.state import Arrival, Phase, Removal, States, StudyState, Versioned
from isthmus.common.messages import Delete, Deleted, Failure
from isthmus.common.telemetry import span
from isthmus.common.telemetry.attributes import DICOM_INSTANCES

_AT_ONCE: Final = 1_000
"""Blobs, by one request."""


async def remove(bus: Bus, blobs: BlobStore, delete: Delete) -> Deleted:
    """Delete a study, a series or an instance, and all that was made from it.

    A failure means that it may be gone for readers and still have blobs: asking again, or `finish`, goes on.
    """
    try:
        return Deleted(await Remover(bus, blobs).remove(delete))
    except (UnavailableError, ContractError) as error:
        return Deleted(0, Failure.of(error))


async def is_deleted(blobs: BlobStore, state: StudyState, key: str) -> bool:
    """Tell whether a blob of an inbox is deleted, or about to be: its event comes too late.

    To be asked of what the study's list does not know.

    Args:
        blobs: where it would be.
        state: the record of its study.
        key: of the blob.

    Raises:
        StoreUnavailable: S3 does not tell.
    """
    life = life_of_key(key)
    if life >= state.life:
        return False
    if any(_takes(one, state, key, life) for one in state.removals):
        return True
    return await blobs.size(key) is None


def _takes(removal: Removal, state: StudyState, key: str, life: int) -> bool:
    return life < removal.life and (key in removal.elsewhere or key.startswith(_prefix(state, removal)))


class Remover:
    """Deletes from inboxes."""

    def __init__(self, bus: Bus, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._states = States(bus)
        self._contents = ContentsStore(blobs, remembered=0)

    async def remove(self, delete: Delete) -> int:
        """Delete what is named, and give how many instances that were; 0 where there was none.

        Raises:
            UnavailableError: S3 or NATS is away.
        """
        with span("delete") as deleting:
            gone = await self._take_out(delete)
            # What an earlier attempt did not bring to its end counts too.
            finished = await self.finish(delete.origin, delete.study)
            gone = max(gone, sum(one.instances for one in finished if _is_of(one, delete)))
            deleting.set_attribute(DICOM_INSTANCES, gone)
            return gone

    async def mark(self, found: Versioned) -> Versioned | None:
        """Begin a new life of a study that nobody seems to need; None if its record has changed since.

        What comes from now on is written in the new life. When all that came before is in the list, and the
        record is still as it was marked, there is nothing in the former lives that nobody knows of: then
        `expire` may delete them.

        Raises:
            BusUnavailable: NATS is away.
        """
        state = replace(found.state, life=found.state.life + 1)
        revision = await self._states.put(state, found.revision)
        return None if revision is None else Versioned(state, revision)

    async def expire(self, marked: Versioned) -> int:
        """Delete a marked study, and give how many instances it had; 0 if something came since.

        Raises:
            UnavailableError: S3 or NATS is away; `finish` goes on.
        """
        state = marked.state
        delete = Delete(state.origin, state.study)
        after = _without(state, delete, {}, None, state.instances, life=state.life)
        if await self._states.put(after, marked.revision) is None:
            return 0
        await self.finish(state.origin, state.study)
        return state.instances

    async def _take_out(self, delete: Delete) -> int:
        """Take instances out of the list of their study."""
        if delete.series is None:
            return await self._take_out_all(delete)
        while True:
            found, contents = await read_study(self._states, self._contents, delete.origin, delete.study)
            gone = {uid: row for uid, row in contents.rows.items() if _is_meant(row, delete)}
            if not gone:
                return 0
            left = {uid: row for uid, row in contents.rows.items() if uid not in gone}
            key = await self._save(delete, left)
            state = _without(found.state, delete, left, key, len(gone), life=found.state.life + 1)
            state = _with_elsewhere(state, gone.values())
            if await self._states.put(state, found.revision) is not None:
                return len(gone)
            await self._contents.drop(key)

    async def _take_out_all(self, delete: Delete) -> int:
        """Take a whole study out, also one whose list is lost."""
        while True:
            found = await self._states.get(delete.origin, delete.study)
            before = found.state
            if before.contents is None:
                return 0
            state = _without(before, delete, {}, None, before.instances, life=before.life + 1)
            if await self._states.put(state, found.revision) is not None:
                return before.instances

    async def _save(self, delete: Delete, left: dict[str, Row]) -> str | None:
        if not left:
            return None
        return await self._contents.save(delete.origin, delete.study, Contents(left))

    async def finish(self, origin: str, study: str) -> tuple[Removal, ...]:
        """Delete the blobs of what is taken out, and give what that was.

        Raises:
            UnavailableError: S3 or NATS is away.
        """
        found = await self._states.get(origin, study)
        removals = found.state.removals
        if not removals:
            return ()
        for removal in removals:
            await self._delete_blobs(found.state, removal)
        while True:
            left = tuple(one for one in found.state.removals if one not in removals)
            if left == found.state.removals:  # another one did the same
                return removals
            if await self._states.put(replace(found.state, removals=left), found.revision) is not None:
                return removals
            found = await self._states.get(origin, study)

    async def _delete_blobs(self, state: StudyState, removal: Removal) -> None:
        for key in removal.lists:
            await self._contents.drop(key)
        await self._delete_under(_prefix(state, removal), removal.life)
        await self._blobs.delete_all(removal.elsewhere)
        await self._delete_under(derived_prefix(state.origin, state.study, removal.series))

    async def _delete_under(self, prefix: str, life: int | None = None) -> None:
        """Delete what lies under a prefix, or what of it was written before a life."""
        batch: list[str] = []
        async for listed in self._blobs.list(prefix):
            if life is None or life_of_key(listed.key) < life:
                batch.append(listed.key)
            if len(batch) == _AT_ONCE:
                await self._blobs.delete_all(batch)
                batch.clear()
        await self._blobs.delete_all(batch)


def _prefix(state: StudyState, removal: Removal) -> str:
    return inbox_prefix(state.origin, state.study, removal.series, removal.instance)


def _is_meant(row: Row, delete: Delete) -> bool:
    return delete.series in (None, row.blob.series_instance_uid) and delete.instance in (
        None,
        row.blob.sop_instance_uid,
    )


def _is_of(removal: Removal, delete: Delete) -> bool:
    """Tell whether a deletion is this one, or a part of it."""
    return delete.series in (None, removal.series) and delete.instance in (None, removal.instance)


def _without(
    state: StudyState, delete: Delete, left: dict[str, Row], key: str | None, gone: int, *, life: int
) -> StudyState:
    """Give the record of what is left; what was written before this life goes."""
    arrival = _arrival_of(state, key)
    unneeded = {state.contents, state.arrival.announced} - {key, arrival.announced, None}
    removal = Removal(
        life, gone, delete.series, delete.instance, tuple(sorted(key for key in unneeded if key is not None))
    )
    removals = (*state.removals, removal)
    if not left:
        return StudyState(state.origin, state.study, life, arrival=arrival, removals=removals)
    arrival = replace(arrival, unnamed=sum(not row.is_named for row in left.values()))
    return replace(
        state,
        life=life,
        contents=key,
        instances=len(left),
        size=sum(row.blob.size for row in left.values()),
        series=tuple(counted_series({one.uid: one.attributes for one in state.series}, left.values())),
        arrival=arrival,
        removals=removals,
    )


def _with_elsewhere(state: StudyState, gone: Iterable[Row]) -> StudyState:
    """Name other contents that lie in another series, under the same SOP Instance UID."""
    *before, removal = state.removals
    prefix = _prefix(state, removal)
    keys = (blob.key for row in gone for blob in row.others if not blob.key.startswith(prefix))
    return replace(state, removals=(*before, replace(removal, elsewhere=tuple(keys))))


def _arrival_of(state: StudyState, key: str | None) -> Arrival:
    before = state.arrival
    if key is None:  # there is nothing to announce, and what comes now is a new study
        return Arrival(phase=Phase.SETTLED, last_stored=before.last_stored)
    if before.phase is Phase.SETTLED and before.announced == state.contents:
        return replace(before, announced=key)
    return before
