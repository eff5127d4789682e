"""The catalogue as faces see it, inboxes included: what is in those is held, and is as it is listed."""

from collections.abc import Collection

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.errors import BlobMissing
from isthmus.common.inbox.contents import ContentsStore
from isthmus.common.inbox.state import States
from isthmus.common.retrieval import Catalogue, Manifest


class CatalogueWithInboxes(Catalogue):
    """Manifests of what was fetched, and of what was sent to us."""

    def __init__(self, blobs: BlobStore, bus: Bus, inboxes: Collection[str]) -> None:
        super().__init__(blobs)
        self._inboxes = frozenset(inboxes)
        self._states = States(bus)
        self._contents = ContentsStore(blobs)

    async def load(self, origin: str, study: str) -> Manifest | None:
        """Give the manifest of a study; None if nothing of it is held.

        Raises:
            BusUnavailable: the study is one of an inbox, and NATS is away.
            StoreUnavailable: S3 does not give it.
        """
        if origin not in self._inboxes:
            return await super().load(origin, study)
        found = await self._states.get(origin, study)
        while found.state.contents is not None:
            try:
                contents = await self._contents.load(found.state.contents)
            except BlobMissing:
                # Its list was replaced between the two reads; if it was not, it is lost.
                again = await self._states.get(origin, study)
                if again.revision == found.revision:
                    raise
                found = again
            else:
                return contents.manifest(origin, study)
        return None
