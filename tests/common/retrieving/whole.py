"""Reading all that a retrieve gives, byte for byte."""

import asyncio

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.messages import Lacking, Retrieve
from isthmus.common.retrieval import Catalogue, Retrieval
from tests.data_sets import raw_dataset
from tests.waiting import PATIENCE


class Reader:
    """Reads as a face does; asks the origin each time whether all is as it was."""

    def __init__(self, bus: Bus, blobs: BlobStore) -> None:
        self.retrieval = Retrieval(bus, Catalogue(blobs), fresh_seconds=0)
        self.arrived: dict[str, bytes] = {}
        """The data sets by SOP Instance UID, also where the reading failed in the end."""
        self.lacking: Lacking | None = None
        """What the last one said beforehand that it would not have."""
        self._blobs = blobs

    async def __call__(self, wanted: Retrieve) -> dict[str, bytes]:
        """Give the data sets by SOP Instance UID; raises what the reading raises."""
        self.arrived = {}
        async with asyncio.timeout(PATIENCE), self.retrieval.read(wanted) as reading:
            self.lacking = reading.lacking
            async for blob in reading:
                assert blob.sop_instance_uid not in self.arrived
                self.arrived[blob.sop_instance_uid] = raw_dataset(await self._blobs.get(blob.key))
        return self.arrived
