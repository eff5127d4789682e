"""C-STORE through to a bucket of others, and commitment by what its index holds."""

import asyncio
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import S3Origin, Settings
from isthmus.common.config.settings import Scp
from isthmus.common.service import Parts
from isthmus.scp.worker import serving
from isthmus.web_scu.worker import worker
from tests.data_sets import identity, make_series, raw_dataset
from tests.peers import Peer, storescu
from tests.scp.conftest import ANY_PORT, CT
from tests.scp.modality import committed, failed
from tests.scp.through.test_commitment_of_an_origin import result_of
from tests.waiting import PATIENCE
from tests.web_scu.bucket.conftest import blobs, bucket, origin

__all__ = ["blobs", "bucket", "origin"]  # fixtures


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
    stored = {identity(file).sop_instance_uid for file in files}
    asked = [(CT, uid) for uid in (*stored, "1.2.3.4.5")]
    parts = Parts(Settings(scp=Scp(listen=ANY_PORT), origins=(origin,)), bus, blobs)
    async with worker(parts), serving(parts) as server:
        outcome = await asyncio.to_thread(storescu, Peer(origin.ae_title, "127.0.0.1", server.port), files)
        assert outcome.log.count("Received Store Response (Success)") == len(files), outcome.log
        async with asyncio.timeout(PATIENCE):  # the answer to a C-STORE does not wait until it can be found
            while not committed(result := await result_of(server, *asked, called=origin.ae_title)) >= stored:
                pass
    keys = [blob.key async for blob in bucket.list(origin.name)]
    written = [await bucket.get(key) for key in keys]
    assert sorted(str(dcmread(BytesIO(data)).SOPInstanceUID) for data in written) == sorted(stored)
    assert all(any(data.endswith(raw_dataset(file)) for data in written) for file in files)
    assert committed(result) == stored
    assert failed(result) == {"1.2.3.4.5": 0x0112}
