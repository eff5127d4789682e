"""The instances of a study, series or single instance, from whichever origins have them."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from isthmus.common.access.studies import Studies
from isthmus.common.auth import Permit
from isthmus.common.bus import Bus
from isthmus.common.config import Origin
from isthmus.common.errors import NoSuchObject, NotDelivered, NoWorker, OriginError
from isthmus.common.federation.asking import Silence
from isthmus.common.federation.locator import Locator
from isthmus.common.federation.visible import Visible, visible
from isthmus.common.federation.whereabouts import Listing, Wanted, Whereabouts
from isthmus.common.messages import BlobRef, Lacking, Retrieve
from isthmus.common.retrieval import Catalogue, Manifest, Reading, Retrieval
from isthmus.common.telemetry import get_logger

log = get_logger(__name__)


class FederatedReading(Reading):
    """The same as of one origin; where several have the same instance, the first one's."""

    def __init__(
        self,
        first: BlobRef,
        others: AsyncIterator[BlobRef],
        lacking: Lacking | None,
        manifest: Manifest | None,
        silent: tuple[Silence, ...],
    ) -> None:
        super().__init__(first, others, lacking, manifest)
        self.silent: Final = silent
        """The origins of which nobody knows whether they have more of it."""


class Federation:
    """The way to instances, where any origin may have them."""

    def __init__(
        self,
        bus: Bus,
        catalogue: Catalogue,
        retrieval: Retrieval,
        origins: Sequence[Origin],
        fresh_seconds: float,
    ) -> None:
        """Prepare.

        Args:
            bus: where origins are asked.
            catalogue: what is held of them.
            retrieval: the way to the instances of one origin.
            origins: those that there are, in the order of the settings; others may be in the catalogue.
            fresh_seconds: for how long what an origin answered is taken to be still so.
        """
        self._retrieval = retrieval
        self._origins = tuple(origins)
        self._locator = Locator(bus, catalogue, origins, fresh_seconds)

    @asynccontextmanager
    async def read(self, wanted: Wanted, among: Visible) -> AsyncIterator[FederatedReading]:
        """Give what is wanted, each SOP Instance UID once; enters as `Retrieval.read` does.

        It does what `Retrieval.read` does where one origin has it. Where several have parts of it, it reads
        all of them; where one of those fails whose part another has too, it reads the other.

        Args:
            wanted: what is read.
            among: the origins that count for whoever reads it.

        Raises:
            NoSuchObject: all origins answered, and none has anything of what is wanted.
            OriginError: none that answered has it, and this one did not; or what it alone has is needed.
            Incomplete: something arrived, and the rest will not.
            UnavailableError: a part of ours is away.
        """
        async with AsyncExitStack() as stack:
            opened = await self._open(wanted, among, stack)
            readings = [reading for _, reading in opened.parts]
            instances = await stack.enter_async_context(aclosing(_each_once(readings)))
            yield FederatedReading(
                await anext(instances),
                instances,
                _lacking(opened),
                readings[0].manifest if len(readings) == 1 else None,
                opened.silent,
            )

    async def visible(self, studies: Studies, permits: Mapping[str, Permit], study: str) -> Visible:
        """Tell where somebody may see a study, as `visible.visible` does.

        Args:
            studies: what is known of studies.
            permits: what he may see, by the names of the origins.
            study: Study Instance UID.
        """
        return await visible(studies, permits, self._origins, study, self._locator.late)

    async def origins_of(self, study: str, among: Visible) -> list[str]:
        """Give the origins from which a whole study would be read, as far as they answered."""
        whereabouts, _ = await self._locate(study, among)
        return list(dict.fromkeys(part.origin for part in whereabouts.plan(Wanted(study))))

    async def _locate(self, study: str, among: Visible, *, anew: bool = False) -> tuple[Whereabouts, float]:
        """Tell where a study is, and when (by the monotonic clock) all were asked; 0 if not all were."""
        if len(among.origins) < 2:
            return Whereabouts(among.origins, among.silent), time.monotonic()
        located = await self._locator.locate(study, among.origins, anew=anew)
        where = located.whereabouts
        silent = (*among.silent, *where.silent)
        return replace(where, silent=silent), located.at if located.all_asked else 0

    async def _open(self, wanted: Wanted, among: Visible, stack: AsyncExitStack) -> "_Opened":
        began = time.monotonic()
        where, asked_at = await self._locate(wanted.study, among)
        failed: list[Silence] = []
        while True:
            plan = where.plan(wanted)
            entered = await self._enter(plan, stack)
            silent = (*where.silent, *failed)
            if not isinstance(entered, Silence) and entered:
                return _Opened(entered, where.listing, silent)
            failure = entered if isinstance(entered, Silence) else None
            is_gone = failure is None or isinstance(failure.error, NoSuchObject)
            if is_gone and asked_at < began:
                # It may have come meanwhile. That it is nowhere is said only by origins that were asked now.
                asked_at = began
                where, _ = await self._locate(wanted.study, among, anew=True)
                continue
            others = where.without(failure.origin, wanted) if failure is not None else None
            if others is None:
                _fail(failure, silent, plan)
            where = others
            if failure is not None and not is_gone:
                log.warning("read elsewhere", origin=failure.origin, reason=failure.error.title)
                failed.append(failure)

    async def _enter(self, plan: Sequence[Retrieve], stack: AsyncExitStack) -> "Parts | Silence":
        """Begin to read all parts of a plan, or none, and say whose failed."""
        async with AsyncExitStack() as entering:
            parts = []
            for part in plan:
                try:
                    reading = await entering.enter_async_context(self._retrieval.read(part))
                except (OriginError, NoWorker, NoSuchObject) as error:
                    return Silence(part.origin, error)
                parts.append((part, reading))
            await stack.enter_async_context(entering.pop_all())
        return parts


Parts = Sequence[tuple[Retrieve, Reading]]
"""What is read where."""


@dataclass(frozen=True, slots=True)
class _Opened:
    parts: Parts
    listing: Listing | None
    silent: tuple[Silence, ...]


def _fail(failure: Silence | None, silent: Iterable[Silence], plan: Sequence[Retrieve]) -> NoReturn:
    """Raise why nothing can be read."""
    is_gone = failure is None or isinstance(failure.error, NoSuchObject)
    if failure is not None and is_gone and len(plan) > 1:
        raise NotDelivered("The origin lists a part of it, but no longer has it", origin=failure.origin)
    if is_gone:
        for silence in silent:
            silence.fail()
    if failure is not None and not is_gone:
        failure.fail()
    # In the same words wherever it was looked for: some may not know of all origins.
    raise NoSuchObject("No origin has such an object")


async def _each_once(readings: Iterable[Reading]) -> AsyncGenerator[BlobRef, None]:
    seen: set[str] = set()
    for reading in readings:
        async for blob in reading:
            if blob.sop_instance_uid not in seen:
                seen.add(blob.sop_instance_uid)
                yield blob


def _lacking(opened: _Opened) -> Lacking | None:
    """Give what no origin can deliver of what is read."""
    told = [(part.origin, reading.lacking) for part, reading in opened.parts if reading.lacking is not None]
    missing = tuple(
        one
        for origin, lacking in told
        for one in lacking.missing
        if opened.listing is None or not opened.listing.is_elsewhere(one, origin)
    )
    unnamed = sum(lacking.unnamed for _, lacking in told)
    return Lacking(missing, told[0][1].failure, unnamed) if missing or unnamed else None
