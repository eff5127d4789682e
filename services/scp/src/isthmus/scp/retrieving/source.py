"""Where the instances of an origin come from, and which there are."""

from contextlib import AbstractAsyncContextManager

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, search
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.dicom.search_attributes import UNIQUE_KEYS
from isthmus.common.errors import NoSuchObject
from isthmus.common.federation.listing import Asked
from isthmus.common.messages import Query, Retrieve
from isthmus.common.retrieval import Catalogue, Reading, Retrieval


class Source:
    """The way to the instances of all origins."""

    def __init__(self, bus: Bus, blobs: BlobStore, catalogue: Catalogue, retrieval: Retrieval) -> None:
        self.blobs = blobs
        self._bus = bus
        self._catalogue = catalogue
        self._retrieval = retrieval

    def read(self, wanted: Retrieve) -> AbstractAsyncContextManager[Reading]:
        """Give instances as they come; see `Retrieval.read`."""
        return self._retrieval.read(wanted)

    async def studies_of(self, origin: str, patient_id: str) -> list[str]:
        """Give the Study Instance UIDs of a patient.

        Raises:
            NoSuchObject: there are none.
            OriginError: the origin failed.
            UnavailableError: a part of ours is away.
        """
        unique = UNIQUE_KEYS[Level.STUDY]
        key = MatchingKey((tag_of("PatientID"),), (patient_id,))
        async with search(self._bus, Query(origin, Level.STUDY, (key,), ((unique,),))) as matches:
            elements = [match[unique] async for match in matches if unique in match]
        found = [str(value) for element in elements for value in element.get("Value", ())]
        if not found:
            raise NoSuchObject(f"{origin!r} has no study of such a patient")
        return list(dict.fromkeys(found))

    async def listed(self, wanted: Retrieve) -> frozenset[str]:
        """Give the SOP Instance UIDs of what is wanted, as the origin lists them.

        Raises:
            OriginError: the origin failed, or lists nothing.
            UnavailableError: a part of ours is away.
        """
        asked = Asked(self._bus, wanted.origin, wanted.study)
        series = await asked.series() if wanted.series is None else [wanted.series]
        return frozenset().union(*(await asked.instances(series)).values())

    async def mend(self, wanted: Retrieve) -> None:
        """See to it that what S3 has lost of a study is fetched anew by the next request.

        Raises:
            UnavailableError: a part of ours is away.
        """
        await self._catalogue.mend(wanted.origin, wanted.study)
