"""What becomes of a retrieve when the worker that does it ends in the middle."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Settings
from isthmus.common.messages import Retrieve
from isthmus.common.retrieval import Retrieval
from isthmus.common.service import Parts
from isthmus.web_scu.worker import worker
from tests.common.webclient.web_origin import MULTIPART, multipart, origin_at, writes_then_is_silent
from tests.data_sets import identity, make_series
from tests.waiting import PATIENCE
from tests.web_scu.dicomweb.holding import Holding


async def test_a_worker_that_is_stopped_in_a_retrieve_hands_it_over_and_all_comes_once(
    bus: Bus, blobs: BlobStore, retrieval: Retrieval, origin_name: str, tmp_path: Path
) -> None:
    images = make_series(tmp_path, 6, seed=930)
    one = identity(images[0])
    series = f"studies/{one.study_instance_uid}/series/{one.series_instance_uid}"
    begun = multipart(*(image.read_bytes() for image in images[:2])).removesuffix(b"--\r\n") + b"\r\n"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {MULTIPART}\r\nContent-Length: 9999999\r\n\r\n"
    async with Holding.of(images) as holding, asyncio.timeout(PATIENCE):
        holding.does(series, writes_then_is_silent(head.encode() + begun))
        origin = origin_at(holding.url, name=origin_name)
        parts = Parts(Settings(origins=(origin,)), bus, blobs)
        wanted = Retrieve(origin_name, one.study_instance_uid)
        async with AsyncExitStack() as first:
            await first.enter_async_context(worker(parts))
            async with retrieval.read(wanted) as instances:
                arrived = [await anext(instances) for _ in range(2)]
                await first.aclose()
                await holding.site.ended.wait()
                holding.behaves(series)
                async with worker(parts):
                    arrived += [blob async for blob in instances]
    assert sorted(blob.sop_instance_uid for blob in arrived) == sorted(
        identity(image).sop_instance_uid for image in images
    )
    again = [path for path in holding.retrieved if path != series]
    assert len(again) == 4  # what the first one brought is not asked for again
