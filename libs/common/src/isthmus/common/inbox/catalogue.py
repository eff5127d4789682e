"""The catalogue as faces see it, inboxes and buckets included: what is in those is held, as it is listed."""

from collections import OrderedDict
from collections.abc import Collection
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.blobs.keys import inbox_prefix
from isthmus.common.bus import Bus
from isthmus.common.bus.submit import submit_retrieve
from isthmus.common.inbox.contents import ContentsStore
from isthmus.common.inbox.reading import read_study
from isthmus.common.inbox.state import States
from isthmus.common.messages import Retrieve
from isthmus.common.retrieval import Catalogue, Manifest
from isthmus.common.telemetry import get_logger

REMEMBERED: Final = 20_000
"""Instances whose studies' manifests stay made: each frame of a viewer needs its study's."""

log = get_logger(__name__)


class CatalogueWithInboxes(Catalogue):
    """Manifests of what was fetched, of what was sent to us, and of what lies in buckets."""

    def __init__(
        self, blobs: BlobStore, bus: Bus, inboxes: Collection[str], buckets: Collection[str] = ()
    ) -> None:
        """Prepare.

        Args:
            blobs: what is held; for buckets, with these as others.
            bus: where the records are.
            inboxes: the names of the inboxes.
            buckets: the names of the S3 origins.
        """
        super().__init__(blobs)
        self._inboxes = frozenset(inboxes)
        self._buckets = frozenset(buckets)
        self._bus = bus
        self._states = States(bus)
        self._contents = ContentsStore(blobs, remembered=0)
        self._made: OrderedDict[str, Manifest] = OrderedDict()

    def is_the_origin(self, origin: str) -> bool:
        """Tell whether it is an inbox, or a bucket."""
        return origin in self._inboxes or origin in self._buckets

    def may_be_behind(self, origin: str) -> bool:
        """Tell whether it is a bucket, in which there may be what was not listed yet."""
        return origin in self._buckets

    async def load(self, origin: str, study: str) -> Manifest | None:
        """Give the manifest of a study, the same object while it is the same; None if nothing is held.

        Raises:
            BusUnavailable: the study is one of an inbox or a bucket, and NATS is away.
            BlobMissing: the list of what an inbox's study consists of is lost.
            StoreUnavailable: S3 does not give it.
        """
        if not self.is_the_origin(origin):
            return await super().load(origin, study)
        key = (await self._states.get(origin, study)).state.contents
        if key is not None and key not in self._made:
            key = await self._make(origin, study)
        if key is None:
            return None
        self._made.move_to_end(key)
        return self._made[key]

    async def _make(self, origin: str, study: str) -> str | None:
        """Make the manifest of a study, and give the key of the list that it is made of."""
        found, contents = await read_study(self._states, self._contents, origin, study)
        key = found.state.contents
        if key is not None:
            self._made[key] = contents.manifest(origin, study, found.state.missing)
            while len(self._made) > 1 and sum(map(_instances, self._made.values())) > REMEMBERED:
                self._made.popitem(last=False)
        return key

    async def mend(self, origin: str, study: str) -> None:
        """As `Catalogue.mend`; of an inbox nothing can be fetched anew: what is lost is told in the log.

        A bucket is listed anew: others have changed something in it.

        Raises:
            BusUnavailable: NATS is away.
            StoreUnavailable: S3 does not tell.
        """
        if origin in self._buckets:
            await submit_retrieve(self._bus, Retrieve(origin, study))
            return
        if origin not in self._inboxes:
            await super().mend(origin, study)
            return
        manifest = await self.load(origin, study)
        if manifest is None:  # deleted while it was read
            return
        there = {listed.key async for listed in self._blobs.list(inbox_prefix(origin, study))}
        lost = sum(blob.key not in there for blob in manifest.blobs(Retrieve(origin, study)))
        if lost:
            log.error("blobs of an inbox lost", origin=origin, instances=lost)


def _instances(manifest: Manifest) -> int:
    return sum(len(series.instances) for series in manifest.series)
