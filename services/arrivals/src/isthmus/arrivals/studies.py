"""What happens to the study of an inbox, into its record and list, one change at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from isthmus.arrivals.announce import Announcer
from isthmus.arrivals.due import Later, verdict
from isthmus.arrivals.settings import ArrivalsSettings
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.timers import StudyTimer, set_timer
from isthmus.common.errors import ContractError, StoreUnavailable
from isthmus.common.inbox.contents import ContentsStore, Row
from isthmus.common.inbox.merge import Happened, merge
from isthmus.common.inbox.reading import read_study
from isthmus.common.inbox.remove import is_deleted
from isthmus.common.inbox.state import Phase, States, StudyState, Versioned
from isthmus.common.messages.events import InstanceEvent
from isthmus.common.telemetry import TRACEPARENT, extract, get_logger, links_from, span
from isthmus.common.telemetry.attributes import DICOM_ORIGIN, ISTHMUS_EVENTS

log = get_logger(__name__)


class Studies:
    """Changes the records of studies."""

    def __init__(
        self, bus: Bus, blobs: BlobStore, settings: ArrivalsSettings, contents: ContentsStore
    ) -> None:
        self._bus = bus
        self._blobs = blobs
        self._settings = settings
        self._states = States(bus)
        self._contents = contents
        self._unneeded: list[str] = []
        self._announcer = Announcer(bus, blobs, settings.base_url, contents)

    async def happened(self, timer: StudyTimer, happened: Sequence[Happened]) -> None:
        """Let something happen to a study; when this returns, its record says so and its timer is set.

        Raises:
            UnavailableError: S3 or NATS is away: it is to be told again, which does no harm.
            ContractError: the record or the list is of another version, or the record has no room for it.
        """
        traceparents = [one.traceparent for one in happened if one.traceparent is not None]
        context = extract({TRACEPARENT: traceparents[-1]}) if traceparents else None
        told = {DICOM_ORIGIN: timer.origin, ISTHMUS_EVENTS: len(happened)}
        # It goes on with the trace of the last event, and says which others are merged with it.
        links = links_from(traceparents, besides=context)
        with span("merge into study", told, context=context, links=links):
            found = await self._change(timer, happened)
            # Also where nothing has changed: whoever changed it may have died before this.
            await self._set_timer(timer, found, max(one.time for one in happened))

    async def _set_timer(self, timer: StudyTimer, found: Versioned, now: float) -> None:
        """Set the timer as the record says; again if that was changed: ours may have replaced a newer one."""
        while True:
            due = verdict(found.state, now, self._settings.quiet_of(timer.origin))
            if due is None:
                return
            await set_timer(self._bus, timer, due.at if isinstance(due, Later) else 0.0)
            again = await self._states.get(timer.origin, timer.study)
            if again.revision == found.revision:
                return
            found = again

    async def _change(self, timer: StudyTimer, happened: Sequence[Happened]) -> Versioned:
        while True:
            changed = await self._try(timer, happened)
            if changed is not None:
                return changed

    async def _try(self, timer: StudyTimer, happened: Sequence[Happened]) -> Versioned | None:
        """Change it, and give what it is now; None if another one changed it meanwhile."""
        found, before = await read_study(self._states, self._contents, timer.origin, timer.study)
        if found.state.arrival.phase is Phase.PUBLISHING:
            await self._announcer.finish(found)
            return None
        fresh = [one for one in happened if not await self._is_gone(found.state, before.rows, one)]
        merged = merge(found.state, before, fresh, self._settings.conflicts_of(timer.origin))
        if merged.contents is before:
            if merged.state == found.state:
                return found
            return await self._put(found, merged.state)
        key = await self._contents.save(timer.origin, timer.study, merged.contents)
        state = replace(merged.state, contents=key)
        if state.arrival.phase is Phase.SETTLED:  # what changed is nothing that is told
            state = replace(state, arrival=replace(state.arrival, announced=key))
        try:
            put = await self._put(found, state)
        except ContractError:  # there is no room for it: nobody will ever name the list
            self._unneeded.append(key)
            raise
        unneeded = key if put is None else found.state.contents
        if unneeded is not None:
            self._unneeded.append(unneeded)
        return put

    async def _put(self, found: Versioned, state: StudyState) -> Versioned | None:
        revision = await self._states.put(state, found.revision)
        return None if revision is None else Versioned(state, revision)

    async def tidy(self) -> None:
        """Delete the lists that the changes up to now left behind; what fails stays, and nobody finds it."""
        unneeded, self._unneeded = self._unneeded, []
        try:
            await self._contents.drop_all(unneeded)
        except StoreUnavailable:
            log.warning("lists of studies not deleted", lists=len(unneeded))

    async def _is_gone(self, state: StudyState, known: Mapping[str, Row], one: Happened) -> bool:
        """Tell whether this is an instance that was deleted before its event came here."""
        event = one.what
        if not isinstance(event, InstanceEvent) or state.life == 0:
            return False
        row = known.get(event.instance)
        # Of an instance that is known, other bytes may be what was deleted.
        if row is not None and event.blob.key in {blob.key for blob in (row.blob, *row.others)}:
            return False
        return await is_deleted(self._blobs, state, event.blob.key)
