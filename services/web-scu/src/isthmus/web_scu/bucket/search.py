"""Searches of a bucket: those of an inbox, once all of it was read."""

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, MatchWriter
from isthmus.common.config import S3Origin
from isthmus.common.inbox.index import Index
from isthmus.common.messages import Query
from isthmus.web_scu.bucket.scan import Completeness
from isthmus.web_scu.inbox.search import SearchWork


class BucketSearchWork:
    """Answers `dicom.query` of one bucket."""

    def __init__(self, bus: Bus, blobs: BlobStore, origin: S3Origin, index: Index) -> None:
        self._complete = Completeness(bus, origin)
        self._search = SearchWork(bus, blobs, origin, index)

    async def __call__(self, query: Query, writer: MatchWriter) -> None:
        """Search; in what order, `SearchWork` says.

        Raises:
            BusUnavailable: it cannot be told whether all that is there is known.
            StoreUnavailable: the bucket was not read to its end yet, or S3 does not give the list of a study.
            ContractError: the record of a study that may match is of another version.
        """
        await self._complete.check()
        await self._search(query, writer)
