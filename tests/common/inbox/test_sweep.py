"""The only copy is no cache: neither the sweeper nor `isthmus cache clear` touches what is in an inbox."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore, derived_key, held_key
from isthmus.common.bus import Bus
from isthmus.common.config.settings import S3
from isthmus.common.inbox.catalogue import CatalogueWithInboxes
from isthmus.common.inbox.state import States
from isthmus.common.messages import Retrieve
from isthmus.common.retrieval import Catalogue, LastReads
from isthmus.common.retrieval.sweep import KEPT_SECONDS, Sweeper, evict
from isthmus.common.retrieval.usage import usage
from isthmus.common.threads import Threads
from tests.common.inbox.studies import arrived
from tests.data_sets import make_series


@pytest.fixture
async def blobs(s3_settings: S3) -> AsyncIterator[BlobStore]:
    """A store of these tests alone: a sweep is over all that there is."""
    threads = Threads("test-s3", 4)
    store = BlobStore(
        s3_settings.endpoint, s3_settings.access_key, s3_settings.secret_key, "inbox-sweep", threads=threads
    )
    await store.ensure_bucket()
    await store.delete_all([listed.key async for listed in store.list("")])
    yield store
    store.close()
    threads.close()


@pytest.mark.parametrize("by", ["sweeper", "cache clear"])
async def test_what_is_in_an_inbox_stays(
    bus: Bus, blobs: BlobStore, origin_name: str, tmp_path: Path, by: str
) -> None:
    files = make_series(tmp_path, 2)
    (state,) = await arrived(bus, blobs, origin_name, files)
    derived = derived_key(origin_name, state.study, state.series[0].uid, "metadata-d")
    cached = held_key("pacs", state.study, state.series[0].uid, "1", "d")
    for key in (derived, cached):
        await blobs.put(key, b"to be had again")
    before = {listed.key async for listed in blobs.list("")}
    reads = LastReads(bus)
    (now,) = {max([one.used for one in await usage(blobs, reads)])}
    if by == "sweeper":
        await Sweeper(bus, blobs, 1).sweep(now + KEPT_SECONDS + 1)
    else:
        for one in await usage(blobs, reads):
            assert await evict(bus, Catalogue(blobs), one) is not None
    # What can be made or fetched again goes, and nothing else.
    assert before - {listed.key async for listed in blobs.list("")} == {derived, cached}
    assert (await States(bus).get(origin_name, state.study)).state == state
    manifest = await CatalogueWithInboxes(blobs, bus, (origin_name,)).load(origin_name, state.study)
    assert manifest is not None
    found = [await blobs.get(blob.key) for blob in manifest.blobs(Retrieve(origin_name, state.study))]
    assert found == [file.read_bytes() for file in files]
