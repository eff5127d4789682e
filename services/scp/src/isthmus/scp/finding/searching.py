"""The queries of one C-FIND over the bus, from the top level down, and their matches as they come."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.search_attributes import uid_of
from isthmus.common.errors import TooManyMatches
from isthmus.scp.finding.everywhere import Search
from isthmus.scp.finding.patients import Patients
from isthmus.scp.finding.plan import FindPlan, Step

Parent = tuple[Mapping[Level, str], DicomJson]
"""The UIDs of an entity and those above it, and what is told of them."""


class Searching:
    """The queries of one request."""

    def __init__(self, search: Search, origin: str, plan: FindPlan, max_parents: int, *, fuzzy: bool) -> None:
        """Prepare.

        Args:
            search: searches an origin, or all of them.
            origin: its name, or `ALL`.
            plan: what is searched.
            max_parents: most entities of a level above in which is searched.
            fuzzy: whether person names match fuzzily.
        """
        self._matches_of = search
        self._origin = origin
        self._plan = plan
        self._max_parents = max_parents
        self._fuzzy = fuzzy

    async def matches(self) -> AsyncGenerator[DicomJson, None]:
        """Give the matches, or the patients of the studies that match, each once.

        Raises:
            TooManyMatches: it would take more queries than `max_parents`.
            OriginError: the origin failed; what came until then is not the whole.
            UnavailableError: one of our own parts did.
        """
        patients = Patients(self._plan.counted) if self._plan.patients else None
        async with aclosing(self._entities()) as matches:
            async for match in matches:
                if patients is None or patients.add(match):
                    yield match
        if patients is not None:
            for patient in patients.counted():
                yield patient

    async def _entities(self) -> AsyncGenerator[DicomJson, None]:
        """Give what is found at the level of the plan, with what is known of the entities above."""
        parents: list[Parent] = [({}, {})]
        for step in self._plan.above:
            parents = await self._below(parents, step)
        for uids, known in parents:
            async with aclosing(self._search(self._plan.target, uids)) as matches:
                async for match in matches:
                    yield {**match, **known}

    async def _below(self, parents: Sequence[Parent], step: Step) -> list[Parent]:
        found: list[Parent] = []
        for parent in parents:
            async with aclosing(self._children(step, *parent)) as children:
                async for child in children:
                    found.append(child)
                    if len(found) > self._max_parents:
                        raise TooManyMatches(
                            f"More than {self._max_parents} {step.level.value} above the matches"
                        )
        return found

    async def _children(
        self, step: Step, uids: Mapping[Level, str], known: DicomJson
    ) -> AsyncGenerator[Parent, None]:
        if not step.needs_query:
            for uid in step.uids:
                yield {**uids, step.level: uid}, {**known, **step.told({}, uid)}
            return
        seen: set[str] = set()
        async with aclosing(self._search(step, uids)) as matches:
            async for match in matches:
                uid = uid_of(match, step.level)
                if not uid or uid in seen:  # a study of two patients has its series once
                    continue
                yield {**uids, step.level: uid}, {**known, **step.told(match, uid)}
                seen.add(uid)

    async def _search(self, step: Step, uids: Mapping[Level, str]) -> AsyncGenerator[DicomJson, None]:
        async with self._matches_of(step.query(self._origin, uids, fuzzy=self._fuzzy)) as matches:
            async for match in matches:
                yield match
