"""Searches of a bucket: those of an inbox, once it is sure that all is known that they may be about."""

from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, MatchWriter
from isthmus.common.config import S3Origin
from isthmus.common.errors import StoreUnavailable
from isthmus.common.inbox.index import Index
from isthmus.common.messages import Query
from isthmus.web_scu.bucket.echo import check_answers
from isthmus.web_scu.bucket.refresh import Refresher
from isthmus.web_scu.bucket.scan import Completeness
from isthmus.web_scu.inbox.search import SearchWork, studies_in

LOOKED_AT: Final = 10
"""Studies that a query names and that are looked at before its answer, if they are not known."""


class BucketSearchWork:
    """Answers `dicom.query` of one bucket."""

    def __init__(
        self,
        bus: Bus,
        blobs: BlobStore,
        bucket: BlobStore,
        origin: S3Origin,
        index: Index,
        refresher: Refresher,
    ) -> None:
        self._complete = Completeness(bus, origin)
        self._search = SearchWork(bus, blobs, origin, index)
        self._index = index
        self._refresher = refresher
        self._bucket = bucket
        self._origin = origin

    async def __call__(self, query: Query, writer: MatchWriter) -> None:
        """Search; in what order, `SearchWork` says.

        Of few studies that the query names, those that no scan has seen are looked at now; for other queries
        all of the bucket must have been read once.

        Raises:
            BusUnavailable: it cannot be told whether all that is there is known.
            StoreUnavailable: the bucket was not read to its end yet, or does not give what is named, or S3
                does not give the list of a study.
            ContractError: the record of a study that may match is of another version.
        """
        named = studies_in(query)
        if 0 < len(named) <= LOOKED_AT:
            known = {one.study for one in await self._index.studies(self._origin.name, named)}
            for study in sorted(named - known):
                await self._refresher.refresh(study)
        else:
            await self._check_complete()
        await self._search(query, writer)

    async def _check_complete(self) -> None:
        try:
            await self._complete.check()
        except StoreUnavailable:
            await check_answers(self._bucket, self._origin)  # if it does not, that is why, and says more
            raise
