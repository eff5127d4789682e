"""Where the instances of an origin come from, or of all of them as one; and which there are."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from functools import partial
from typing import cast

from isthmus.common.access.studies import Studies
from isthmus.common.auth import Permit
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, end_tasks
from isthmus.common.config import Origin
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.dicom.search_attributes import UNIQUE_KEYS
from isthmus.common.dicomweb.resource import ALL
from isthmus.common.errors import IsthmusError, NoSuchObject
from isthmus.common.federation import FederatedReading, Federation, Wanted, ask_all
from isthmus.common.federation.listing import Asked
from isthmus.common.messages import BlobRef, Query, Retrieve
from isthmus.common.retrieval import Catalogue, Reading, Retrieval
from isthmus.scp.retrieving.line import Room

Permits = Mapping[str, Permit]
"""With which studies of which origins somebody may deal."""


class Source:
    """The way to the instances of all origins."""

    def __init__(
        self,
        bus: Bus,
        blobs: BlobStore,
        catalogue: Catalogue,
        retrieval: Retrieval,
        federation: Federation,
        origins: Sequence[Origin],
        studies: Studies,
        most_asked: int,
    ) -> None:
        """Prepare.

        Args:
            bus: where origins are asked.
            blobs: where the instances are.
            catalogue: what is held of the origins.
            retrieval: the way to the instances of one of them.
            federation: the way to those of all.
            origins: all, in the order of the settings.
            studies: whether a permit is for a study.
            most_asked: studies at most whose series are asked for that, where a patient's are wanted.
        """
        self.blobs = blobs
        self.room = Room()
        """For what waits to be sent, of all requests."""
        self._at_work: set[asyncio.Task[object]] = set()
        self._bus = bus
        self._catalogue = catalogue
        self._retrieval = retrieval
        self._federation = federation
        self._origins = origins
        self._studies = studies
        self._most_asked = most_asked

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Have the task that enters this among those that `close` ends."""
        task = cast("asyncio.Task[object]", asyncio.current_task())
        self._at_work.add(task)
        try:
            yield
        finally:
            self._at_work.discard(task)

    async def close(self) -> None:
        """End what is under way: nobody waits for it any more."""
        await end_tasks(self._at_work)

    @asynccontextmanager
    async def read(self, wanted: Retrieve, permits: Permits) -> AsyncIterator[Reading]:
        """Give instances as they come; see `Retrieval.read`, and `Federation.read` for all origins.

        A study that somebody may not see is not there for him.
        """
        if wanted.origin == ALL:
            everywhere = Wanted(wanted.study, wanted.series, wanted.instance)
            async with self._read_everywhere(everywhere, permits) as reading:
                yield reading
            return
        await self._studies.require(permits[wanted.origin], wanted.origin, wanted.study)
        async with self._retrieval.read(wanted) as reading:
            yield reading

    @asynccontextmanager
    async def _read_everywhere(self, wanted: Wanted, permits: Permits) -> AsyncIterator[Reading]:
        """Read what any origin has; one that does not answer, and may have more, fails it at its end."""
        among = await self._federation.visible(self._studies, permits, wanted.study)
        async with self._federation.read(wanted, among) as found:
            if not found.silent:
                yield found
                return
            async with aclosing(_then_fail(found)) as instances:
                # Of what is held nobody can say that it is all.
                yield Reading(await anext(instances), instances, found.lacking, None)

    async def studies_of(
        self, origin: str, patient_id: str, permits: Permits
    ) -> tuple[Sequence[str], IsthmusError | None]:
        """Give the Study Instance UIDs of a patient; of all origins, what one failed with: it may have more.

        Raises:
            NoSuchObject: there are none.
            OriginError: the origin failed; of all of them, one did, and the others have none.
            UnavailableError: a part of ours is away.
        """
        if origin != ALL:
            found, silent = await self._studies_named(patient_id, origin, permits[origin]), None
        else:
            known = [one for one in self._origins if one.name in permits]
            answers = await ask_all(known, partial(self._studies_at, patient_id, permits))
            found = [study for _, studies in answers.heard for study in studies]
            silent = next(iter(answers.silent), None)
        if not found:
            if silent is not None:
                silent.fail()
            raise NoSuchObject(f"{origin!r} has no study of such a patient")
        return list(dict.fromkeys(found)), None if silent is None else silent.error

    async def _studies_at(self, patient_id: str, permits: Permits, origin: Origin) -> list[str]:
        return await self._studies_named(patient_id, origin.name, permits[origin.name])

    async def _studies_named(self, patient_id: str, origin: str, permit: Permit) -> list[str]:
        unique = UNIQUE_KEYS[Level.STUDY]
        key = MatchingKey((tag_of("PatientID"),), (patient_id,))
        query = Query(origin, Level.STUDY, (key,), ((unique,),))
        async with aclosing(self._studies.seen(permit, query, most=self._most_asked)) as matches:
            elements = [match[unique] async for match in matches if unique in match]
        return [str(value) for element in elements for value in element.get("Value", ())]

    async def listed(self, wanted: Retrieve, permits: Permits) -> frozenset[str]:
        """Give the SOP Instance UIDs of what is wanted, as the origin lists them.

        Raises:
            OriginError: the origin failed, or lists nothing.
            UnavailableError: a part of ours is away.
        """
        if wanted.origin != ALL:
            await self._studies.require(permits[wanted.origin], wanted.origin, wanted.study)
            return await self._listed_at(wanted.origin, wanted)
        among = await self._federation.visible(self._studies, permits, wanted.study)
        origins = await self._federation.origins_of(wanted.study, among)
        return frozenset().union(*[await self._listed_at(one, wanted) for one in origins])

    async def _listed_at(self, origin: str, wanted: Retrieve) -> frozenset[str]:
        asked = Asked(self._bus, origin, wanted.study)
        series = await asked.series() if wanted.series is None else [wanted.series]
        return frozenset().union(*(await asked.instances(series)).values())

    async def mend(self, wanted: Retrieve) -> None:
        """See to it that what S3 has lost of a study is fetched anew by the next request.

        Raises:
            UnavailableError: a part of ours is away.
        """
        for origin in [one.name for one in self._origins] if wanted.origin == ALL else [wanted.origin]:
            await self._catalogue.mend(origin, wanted.study)


async def _then_fail(reading: FederatedReading) -> AsyncGenerator[BlobRef, None]:
    async for blob in reading:
        yield blob
    for silence in reading.silent:
        silence.fail()
