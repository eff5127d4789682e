"""Carrying out a plan: its queries over the bus, and of their matches those that the client gets."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from isthmus.common.access.studies import Studies
from isthmus.common.bus import Bus, end_tasks, search
from isthmus.common.bus.fan_out import fan_out
from isthmus.common.config import DimseOrigin, Quirk
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.search_attributes import uid_of
from isthmus.common.dicom.summaries import NUMBER_OF_INSTANCES, SUMMED_UP
from isthmus.common.errors import OriginError, TooManyMatches, UnavailableError
from isthmus.common.messages import Query
from isthmus.common.retrieval import Catalogue
from isthmus.common.telemetry import get_logger
from isthmus.qido.complete import Completing
from isthmus.qido.held import HeldSyntaxes
from isthmus.qido.parameters import SearchParameters
from isthmus.qido.plan import Plan, Scope, Step
from isthmus.qido.settings import QidoSettings
from isthmus.qido.untold import Untold
from isthmus.qido.window import Filling, Found, Window

AT_ONCE: Final = 3
"""Queries of one search at the same time: less than the associations an origin has by default."""
COUNTED: Final = 250
"""Matches beyond a page; of more it is not said how many they are."""
COUNTING_SECONDS: Final = 0.25
"""How long a page that is full may wait for that."""

log = get_logger(__name__)


Finder = Callable[[Scope, SearchParameters, Window], Awaitable[Found]]
"""What answers a search: all of its matches that belong into the window, or an error."""


@dataclass(frozen=True, slots=True)
class OriginSearch:
    """Searches one origin."""

    bus: Bus
    catalogue: Catalogue
    settings: QidoSettings
    studies: Studies
    """Tells which of them may be seen."""

    async def find(self, scope: Scope, parameters: SearchParameters, window: Window) -> Found:
        """Search, in the origin's order, and stop it there as soon as the answer is known.

        Raises:
            TooManyMatches: it would take more queries than the cap allows.
            OriginError: the origin failed; what it found until then is not the whole, and is dropped.
            NoWorker: nobody serves the origin.
            BusUnavailable: its worker is silent.
        """
        study = scope.uids.get(Level.STUDY)
        if study is not None and not await self.studies.sees(scope.permit, scope.origin, study):
            return Found([], more=False)
        plan = Plan.of(scope, parameters)
        held = HeldSyntaxes(self.catalogue, scope)
        try:
            completing, untold = self._completing(plan), Untold(parameters)
            found = await self._find(plan, window, completing, untold, has_limit=parameters.limit is not None)
            matches = await completing.complete(found.matches)
            warnings = untold.warnings(scope.origin) if matches else ()
            return replace(found, matches=await held.add_to(matches), warnings=warnings)
        finally:
            if held.looking is not None:
                await end_tasks([held.looking])

    async def _find(
        self, plan: Plan, window: Window, completing: Completing, untold: Untold, *, has_limit: bool
    ) -> Found:
        needed = window.offset + window.limit + 1
        cap = self.settings.max_parents
        queries = _Queries(self.bus, self.studies, plan, untold, cap=cap, needed=needed, has_limit=has_limit)
        page = Filling(window, plan.scope.level)
        came = 0
        async with aclosing(queries.matches()) as matches:
            async for match in matches:
                came += 1
                page.add(match)
                completing.look_at(match)
                # One that was on the page before may be gone; nobody waits for it for ever.
                given_up = came > self.settings.max_matches + window.offset
                if page.surplus and (given_up or not page.wanting):
                    # Where matches come by many queries, it would take more of them to count.
                    remaining = await _count_on(matches, page) if len(plan.steps) == 1 else None
                    return page.found(more=True, remaining=remaining)
        return page.found(more=page.surplus > 0, remaining=page.surplus)

    def _completing(self, plan: Plan) -> Completing:
        origin = self.settings.origin(plan.scope.origin)
        wanted = SUMMED_UP & plan.of_study
        if isinstance(origin, DimseOrigin) and Quirk.WRONG_COUNTS in origin.quirks:
            wanted -= {NUMBER_OF_INSTANCES}
        return Completing(self.bus, origin.name, wanted, self.settings.max_parents)


async def _count_on(matches: AsyncGenerator[DicomJson, None], page: Filling) -> int | None:
    """Count the matches beyond a page that is full; None where there are too many, or it takes too long."""
    try:
        async with asyncio.timeout(COUNTING_SECONDS):
            async for match in matches:
                page.add(match)
                if page.surplus > COUNTED:
                    return None
    except (TimeoutError, TooManyMatches, OriginError, UnavailableError):
        return None  # the page itself is right
    return page.surplus


class _Queries:
    """The queries of one search."""

    def __init__(
        self,
        bus: Bus,
        studies: Studies,
        plan: Plan,
        untold: Untold,
        *,
        cap: int,
        needed: int,
        has_limit: bool,
    ) -> None:
        self._bus = bus
        self._studies = studies
        self._plan = plan
        self._untold = untold
        self._cap = cap
        self._needed = needed
        self._has_limit = has_limit
        self._turns = asyncio.Semaphore(AT_ONCE)

    def matches(self) -> AsyncGenerator[DicomJson, None]:
        """Give the matches of the last step, merged with those they belong to."""
        first, *others = self._plan.steps
        root = self._plan.scope.attributes()
        if not others:
            return self._stream(first, root)
        matches = self._parents(first, root)
        for above, step in zip(self._plan.steps, others, strict=False):
            matches = self._children(matches, above.level, step)
        return matches

    async def _stream(self, step: Step, parent: DicomJson) -> AsyncGenerator[DicomJson, None]:
        query = step.query(self._plan.scope.origin, parent, fuzzy=self._plan.fuzzy)
        async with aclosing(self._found(query)) as matches:
            async for match in matches:
                self._untold.look_at(match, step)
                yield step.merge(parent, match)

    async def _found(self, query: Query) -> AsyncGenerator[DicomJson, None]:
        """Give the matches that may be seen; below STUDY they are of studies that may."""
        if query.level is Level.STUDY:
            async with aclosing(
                self._studies.seen(self._plan.scope.permit, query, most=self._cap)
            ) as studies:
                async for match in studies:
                    yield match
            return
        async with search(self._bus, query) as matches:
            async for match in matches:
                yield match

    async def _collect(self, step: Step, parent: DicomJson, most: int) -> list[DicomJson]:
        """Give the first matches; when this returns, the query is over and its association free again."""
        collected: list[DicomJson] = []
        async with self._turns, aclosing(self._stream(step, parent)) as matches:
            async for match in matches:
                collected.append(match)
                if len(collected) >= most:
                    break
        return collected

    async def _parents(self, step: Step, root: DicomJson) -> AsyncGenerator[DicomJson, None]:
        parents = await self._collect(step, root, self._cap + 1)
        if len(parents) > self._cap and not self._has_limit:
            raise self._too_wide(step.level)
        for parent in parents:
            yield parent

    async def _children(
        self, parents: AsyncGenerator[DicomJson, None], level: Level, step: Step
    ) -> AsyncGenerator[DicomJson, None]:
        """Give the children of each parent, in order, until there are enough or the cap is reached."""
        over_cap = False

        async def within_cap() -> AsyncGenerator[DicomJson, None]:
            nonlocal over_cap
            seen: set[tuple[str, ...]] = set()
            async with aclosing(parents):
                async for parent in parents:
                    uids = tuple(uid_of(parent, each) for each in Level if each <= level)
                    if not uids[-1]:
                        log.warning(
                            "match without its UID", origin=self._plan.scope.origin, level=level.value
                        )
                        continue
                    if uids in seen:
                        continue
                    if len(seen) == self._cap:
                        over_cap = True
                        return
                    seen.add(uids)
                    yield parent

        async def query(parent: DicomJson) -> list[DicomJson]:
            return await self._collect(step, parent, self._needed)

        async with (
            aclosing(within_cap()) as capped,
            fan_out(capped, query, AT_ONCE) as families,
        ):
            async for _, family in families:
                for child in family:
                    yield child
        if over_cap:
            raise self._too_wide(level)

    def _too_wide(self, level: Level) -> TooManyMatches:
        return TooManyMatches(
            f"The search would have to look into more than {self._cap} resources of the {level.value} level:"
            " match more attributes, or give a limit"
        )
