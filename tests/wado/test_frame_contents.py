"""Frames are transcoded once for all who wait, and to the end where nobody does any more."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import cast

import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from isthmus.common.blobs import BlobStore, derived_prefix
from isthmus.common.derived.images import Image, Images
from isthmus.common.errors import PixelsUnreadable, TooLarge
from isthmus.common.pixels.errors import CorruptFrame, FrameTooLarge, PixelsError, ProcessTimedOut
from isthmus.common.pixels.processes import PixelProcesses
from isthmus.common.threads import Threads
from isthmus.wado.pixels.frame_contents import FrameContents
from isthmus.wado.sources.derived import Derived
from tests.wado.test_images import instance
from tests.wado.worker import put
from tests.waiting import PATIENCE

FRAME = bytes(256 * 256 * 2)


class Slow:
    """Processes whose work lasts as long as it is told."""

    def __init__(self) -> None:
        self.processes = 1
        self.begun = 0
        self.ended = 0
        self.go_on = asyncio.Event()
        self._changed = asyncio.Condition()
        self.fails: PixelsError | None = None

    async def run(self, fn: Callable[..., bytes], *args: object) -> bytes:
        async with self._changed:
            self.begun += 1
            self._changed.notify_all()
        await self.go_on.wait()
        async with self._changed:
            self.ended += 1
            self._changed.notify_all()
        if self.fails is not None:
            raise self.fails
        return FRAME

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(condition)


@pytest.fixture
async def slow() -> Slow:
    return Slow()


@pytest.fixture
async def images(blobs: BlobStore) -> AsyncIterator[Images]:
    threads = Threads("test-headers", 2)
    derived = Derived(blobs, threads)
    yield Images(blobs, threads, derived.frame_indexes, derived.kept, 1024 * 1024)
    threads.close()


@pytest.fixture
def contents(blobs: BlobStore, images: Images, slow: Slow) -> FrameContents:
    kept = Derived(blobs, Threads("test-kept", 1)).kept
    return FrameContents(images, cast(PixelProcesses, slow), kept, 1024 * 1024)


@pytest.fixture
async def image(blobs: BlobStore, images: Images, origin_name: str) -> Image:
    pixels = np.zeros((8, 256, 256), np.uint16)
    return await images.open(await put(blobs, origin_name, instance(RLELossless, pixels)))


async def test_it_is_made_once_for_all_who_wait(contents: FrameContents, image: Image, slow: Slow) -> None:
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(contents.transcoded(image, 1, ExplicitVRLittleEndian)) for _ in range(5)]
        await slow.until(lambda: slow.begun > 0)
        slow.go_on.set()
    assert {task.result() for task in waiting} == {FRAME}
    assert slow.begun == 1


async def test_what_has_begun_goes_on_when_nobody_waits(
    contents: FrameContents, image: Image, slow: Slow
) -> None:
    waiting = asyncio.create_task(contents.transcoded(image, 1, ExplicitVRLittleEndian))
    await slow.until(lambda: slow.begun == 1)
    waiting.cancel()
    await asyncio.wait([waiting])
    slow.go_on.set()
    await slow.until(lambda: slow.ended == 1)
    assert await contents.transcoded(image, 2, ExplicitVRLittleEndian) == FRAME


async def test_what_has_not_begun_never_does(contents: FrameContents, image: Image, slow: Slow) -> None:
    waiting = [
        asyncio.create_task(contents.transcoded(image, number, ExplicitVRLittleEndian))
        for number in range(1, 9)
    ]
    await slow.until(lambda: slow.begun == 2)  # two for each process
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    slow.go_on.set()
    await slow.until(lambda: slow.ended == 2)
    await contents.transcoded(image, 1, ExplicitVRLittleEndian)
    assert slow.begun == 3


async def test_it_is_kept_for_other_processes(
    contents: FrameContents, image: Image, slow: Slow, blobs: BlobStore, origin_name: str
) -> None:
    slow.go_on.set()
    await contents.transcoded(image, 1, ExplicitVRLittleEndian)
    kept = [listed.key async for listed in blobs.list(derived_prefix(origin_name, "1.2"))]
    assert len([key for key in kept if "frame-1-" in key]) == 1


@pytest.mark.parametrize(
    ("fails", "error"),
    [
        (CorruptFrame("damaged"), PixelsUnreadable),
        (ProcessTimedOut("slow"), PixelsUnreadable),
        (FrameTooLarge("large"), TooLarge),
    ],
)
async def test_what_fails_names_the_instance_and_what_can_be_had(
    contents: FrameContents, image: Image, slow: Slow, fails: PixelsError, error: type[TooLarge]
) -> None:
    slow.fails = fails
    slow.go_on.set()
    with pytest.raises(error) as raised:
        await contents.transcoded(image, 1, ExplicitVRLittleEndian)
    assert raised.value.instance == "1.2.3.4"
    if isinstance(raised.value, PixelsUnreadable):
        assert raised.value.available[0].endswith(f"transfer-syntax={RLELossless}")


async def test_a_frame_of_another_size_than_is_said_is_unreadable(
    contents: FrameContents, blobs: BlobStore, images: Images, slow: Slow, origin_name: str
) -> None:
    small = instance(RLELossless, np.zeros((1, 64, 64), np.uint16))
    slow.go_on.set()
    with pytest.raises(PixelsUnreadable):
        await contents.transcoded(
            await images.open(await put(blobs, origin_name, small)), 1, ExplicitVRLittleEndian
        )
