"""Finding out which origins have a study; what they answered is remembered for a while."""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from isthmus.common.auth import acting_as
from isthmus.common.bus import Bus
from isthmus.common.config import Origin
from isthmus.common.errors import ContractError, OriginTimeout, UnavailableError
from isthmus.common.federation.asking import Silence, ask_all
from isthmus.common.federation.late import Late
from isthmus.common.federation.listing import Asked, contents_of, undeliverable
from isthmus.common.federation.whereabouts import Contents, Listing, Whereabouts
from isthmus.common.messages import Retrieve
from isthmus.common.retrieval import Catalogue, Manifest

SILENT_SECONDS: Final = 5.0
"""For how long an answer is remembered in which an origin lacks: it may be back soon."""
REMEMBERED: Final = 1_000
"""Studies."""


@dataclass(frozen=True, slots=True)
class Located:
    """What the origins answered."""

    whereabouts: Whereabouts
    at: float
    """When they were asked, by the monotonic clock."""
    all_asked: bool
    """Whether no origin was left alone."""
    inboxes: tuple[Manifest | None, ...] = ()
    """What was in each of the inboxes."""


_Asked = tuple[str, tuple[str, ...]]
"""A study, and the origins that somebody may look into for it: who may look elsewhere is told otherwise."""


@dataclass(slots=True)
class _Looking:
    task: "asyncio.Task[Located]"
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class _Holding:
    """An origin has the study."""

    whole: Contents | None
    """What it has, where that is held and fresh."""
    undeliverable: frozenset[str]


class Locator:
    """Knows where studies are, for all who ask in this process."""

    def __init__(
        self, bus: Bus, catalogue: Catalogue, origins: Sequence[Origin], fresh_seconds: float
    ) -> None:
        """Nothing is known yet.

        Args:
            bus: where origins are asked.
            catalogue: what is held of them: a study that is whole and fresh need not be asked for.
            origins: those that there are, in the order of the settings.
            fresh_seconds: for how long what an origin listed is taken to be still so.
        """
        self._bus = bus
        self._catalogue = catalogue
        self._origins = tuple(origins)
        self._fresh_seconds = fresh_seconds
        self._known: OrderedDict[_Asked, Located] = OrderedDict()
        self._looking: dict[tuple[_Asked, bool], _Looking] = {}
        self.late: Final = Late()
        """Those that were late."""

    async def locate(self, study: str, among: Sequence[str], *, anew: bool = False) -> Located:
        """Give what is remembered of a study, or ask origins for it at the same time.

        Args:
            study: its Study Instance UID.
            among: the names of the origins that count, in the order of the settings; no other is asked.
            anew: ask in any case.

        Raises:
            RequestError: they cannot be asked so.
        """
        asked = (study, tuple(among))
        known = self._known.get(asked)
        if (
            known is not None
            and not anew
            and time.monotonic() - known.at < self._memory(known)
            and known.inboxes == await self._in_inboxes(asked)
        ):
            self._known.move_to_end(asked)
            return known
        # Who comes while they are asked waits for the same answers; when nobody waits, nobody is asked.
        looking = self._looking.get((asked, anew))
        if looking is None:
            with acting_as(None):
                task = asyncio.create_task(self._look(asked, everywhere=anew))
            looking = self._looking[asked, anew] = _Looking(task)
        looking.waiting += 1
        try:
            return await asyncio.shield(looking.task)
        finally:
            looking.waiting -= 1
            if not looking.waiting:
                self._looking.pop((asked, anew), None)
                looking.task.cancel()

    def _memory(self, known: Located) -> float:
        silent = known.whereabouts.silent
        return min(self._fresh_seconds, SILENT_SECONDS) if silent else self._fresh_seconds

    async def _look(self, wanted: _Asked, *, everywhere: bool) -> Located:
        study, among = wanted
        at = time.monotonic()
        inboxes = await self._in_inboxes(wanted)
        left_alone = {} if everywhere else self.late.among(among)
        asked = [one for one in self._origins if one.name in among and one.name not in left_alone]
        answers = await ask_all(asked, lambda origin: self._ask(origin.name, study))
        self.late.note(answers)
        silent = (*answers.silent, *left_alone.values())
        held = [(origin, holding) for origin, holding in answers.heard if holding is not None]
        before = self._as_before(wanted, [origin.name for origin, _ in held], silent)
        if before is not None:
            whereabouts = before
        elif len(held) > 1:
            whereabouts = await self._compared(study, held, silent)
        else:
            whereabouts = Whereabouts(tuple(origin.name for origin, _ in held), silent)
        located = Located(whereabouts, at, not left_alone, inboxes)
        self._remember(wanted, located)
        return located

    def _as_before(
        self, wanted: _Asked, held: Sequence[str], silent: Sequence[Silence]
    ) -> Whereabouts | None:
        """Give what was known before, where an origin that had the study is late: it may be busy sending."""
        known = self._known.get(wanted)
        if known is None:
            return None
        before = known.whereabouts
        late = {one.origin for one in silent if isinstance(one.error, OriginTimeout)}.intersection(
            before.origins
        )
        if not late or set(before.origins) != late.union(held):
            return None
        return replace(before, silent=tuple(one for one in silent if one.origin not in late))

    async def _in_inboxes(self, wanted: _Asked) -> tuple[Manifest | None, ...]:
        """Give what is in them, which is known at once; one that does not tell is as one that has nothing."""
        study, among = wanted
        manifests: list[Manifest | None] = []
        for name in among:
            if self._catalogue.is_the_origin(name):
                try:
                    manifests.append(await self._catalogue.load(name, study))
                except (UnavailableError, ContractError):
                    manifests.append(None)  # whoever asks it for what it has is told so
        return tuple(manifests)

    async def _ask(self, origin: str, study: str) -> _Holding | None:
        manifest = await self._catalogue.load(origin, study)
        if self._catalogue.is_the_origin(origin):
            if manifest is None and self._catalogue.may_be_behind(origin):
                manifest = await self._looked_for(origin, study)
            return None if manifest is None else _Holding(contents_of(manifest), frozenset())
        since = time.time() - self._fresh_seconds
        if manifest is not None and manifest.covers(Retrieve(origin, study), since):
            return _Holding(contents_of(manifest), undeliverable(manifest))
        has_it = await Asked(self._bus, origin, study).has_it()
        return _Holding(None, undeliverable(manifest)) if has_it else None

    async def _looked_for(self, origin: str, study: str) -> Manifest | None:
        """Have a study looked for that no scan of a bucket has seen: it may be there all the same."""
        if not await Asked(self._bus, origin, study).has_it():
            return None
        return await self._catalogue.load(origin, study)

    async def _compared(
        self, study: str, held: Sequence[tuple[Origin, _Holding]], silent: tuple[Silence, ...]
    ) -> Whereabouts:
        """Compare what several origins have: in those series that more than one has, each instance."""
        known = {origin.name: holding.whole for origin, holding in held if holding.whole is not None}
        unknown = [origin for origin, holding in held if holding.whole is None]
        listed = await ask_all(unknown, lambda origin: Asked(self._bus, origin.name, study).series())
        series = {
            **{origin: list(contents) for origin, contents in known.items()},
            **{origin.name: list(uids) for origin, uids in listed.heard},
        }
        times = Counter(uid for uids in series.values() for uid in uids)

        async def instances(origin: Origin) -> Contents:
            shared = [uid for uid in series[origin.name] if times[uid] > 1]
            return await Asked(self._bus, origin.name, study).instances(shared)

        found = await ask_all([origin for origin, _ in listed.heard], instances)
        for origin, shared_instances in found.heard:
            known[origin.name] = {uid: shared_instances.get(uid, frozenset()) for uid in series[origin.name]}
        contents = {
            origin.name: {uid: uids - holding.undeliverable for uid, uids in known[origin.name].items()}
            for origin, holding in held
            if origin.name in known
        }
        silent = (*silent, *listed.silent, *found.silent)
        return Whereabouts(tuple(contents), silent, Listing.of(contents) if len(contents) > 1 else None)

    def _remember(self, wanted: _Asked, located: Located) -> None:
        self._known[wanted] = located
        self._known.move_to_end(wanted)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
