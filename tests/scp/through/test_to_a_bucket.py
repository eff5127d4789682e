"""C-STORE through to a bucket of others, and commitment by what its index holds."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from isthmus.common.blobs import BlobStore, buckets_of
from isthmus.common.bus import Bus
from isthmus.common.config import S3Origin, Settings
from isthmus.common.config.settings import S3, Scp
from isthmus.common.service import Parts
from isthmus.common.threads import Threads
from isthmus.scp.worker import serving
from isthmus.web_scu.worker import worker
from tests.data_sets import identity, make_series, raw_dataset
from tests.peers import Peer, storescu
from tests.scp.conftest import ANY_PORT, CT
from tests.scp.modality import committed, failed
from tests.scp.through.test_commitment_of_an_origin import result_of


@pytest.fixture
def origin(s3_settings: S3, origin_name: str) -> S3Origin:
    return S3Origin.model_validate(
        {
            "name": origin_name,
            "protocol": "s3",
            "ae_title": "BUCKET",
            "endpoint": s3_settings.endpoint,
            "bucket": "archive",
            "prefix": origin_name,
            "access_key": s3_settings.access_key,
            "secret_key": s3_settings.secret_key,
        }
    )


@pytest.fixture
async def bucket(origin: S3Origin) -> AsyncIterator[BlobStore]:
    with buckets_of([origin]) as buckets:
        await buckets[origin.name].ensure_bucket()
        yield buckets[origin.name]


@pytest.fixture
async def blobs(s3_settings: S3, bucket: BlobStore, origin_name: str) -> AsyncIterator[BlobStore]:
    """Our own bucket, and that of the origin behind it."""
    s3, threads = s3_settings, Threads("test-s3", 4)
    store = BlobStore(
        s3.endpoint, s3.access_key, s3.secret_key, s3.bucket, threads=threads, others={origin_name: bucket}
    )
    await store.ensure_bucket()
    yield store
    store.close()
    threads.close()


async def test_what_storescu_sends_is_under_its_key_and_committed_to(
    bus: Bus,
    blobs: BlobStore,
    bucket: BlobStore,
    origin: S3Origin,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("isthmus.scp.commitment.committer.LOOKS", (0.0,))
    files = make_series(tmp_path, 3)
    references = [(CT, identity(file).sop_instance_uid) for file in files]
    parts = Parts(Settings(scp=Scp(listen=ANY_PORT), origins=(origin,)), bus, blobs)
    async with worker(parts), serving(parts) as server:
        outcome = await asyncio.to_thread(storescu, Peer("BUCKET", "127.0.0.1", server.port), files)
        assert outcome.log.count("Received Store Response (Success)") == len(files), outcome.log
        result = await result_of(server, *references, (CT, "1.2.3.4.5"), called="BUCKET")
    keys = [blob.key async for blob in bucket.list(origin.name)]
    written = [await bucket.get(key) for key in keys]
    assert sorted(str(dcmread(BytesIO(data)).SOPInstanceUID) for data in written) == sorted(
        uid for _, uid in references
    )
    assert all(any(data.endswith(raw_dataset(file)) for data in written) for file in files)
    assert committed(result) == {uid for _, uid in references}
    assert failed(result) == {"1.2.3.4.5": 0x0112}
