"""Where frames lie is found once for each instance of many frames, and kept in S3."""

import struct
from collections.abc import Callable, Iterator

import pytest
from pydicom.uid import JPEGBaseline8Bit

from isthmus.common.blobs import BlobStore, derived_prefix, held_key
from isthmus.common.derived.frame_indexes import FrameIndexes
from isthmus.common.dicom.part10 import file_header
from isthmus.common.errors import MalformedDataset, StoreUnavailable
from isthmus.common.messages import BlobRef
from isthmus.common.threads import Threads


def multi_frame(frames: int, size: int) -> bytes:
    """An instance of JPEG frames, of one fragment each."""
    header = file_header(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.7",
        sop_instance_uid="1.2.3.4",
        transfer_syntax_uid=JPEGBaseline8Bit,
        source_ae_title=None,
    )
    count = struct.pack("<HH2sH", 0x0028, 0x0008, b"IS", 4) + f"{frames:<4}".encode()
    fragment = struct.pack("<HHL", 0xFFFE, 0xE000, size) + bytes(size)
    pixels = struct.pack("<HH2sxxLHHL", 0x7FE0, 0x0010, b"OB", 0xFFFFFFFF, 0xFFFE, 0xE000, 0)
    return header + count + pixels + fragment * frames + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads("test-headers", 2)
    yield threads
    threads.close()


@pytest.fixture
def indexes(blobs: BlobStore, threads: Threads) -> Callable[[], FrameIndexes]:
    """Another process."""
    return lambda: FrameIndexes(blobs, threads)


async def put(blobs: BlobStore, origin: str, data: bytes) -> BlobRef:
    key = held_key(origin, "1.2", "1.2.3", "1.2.3.4", "d")
    await blobs.put(key, data)
    sop_class = "1.2.840.10008.5.1.4.1.1.7"
    return BlobRef(blobs.bucket, key, len(data), "1.2", "1.2.3", "1.2.3.4", sop_class, str(JPEGBaseline8Bit))


async def kept(blobs: BlobStore, origin: str) -> list[str]:
    return [listed.key async for listed in blobs.list(derived_prefix(origin, "1.2"))]


async def test_nothing_is_kept_of_what_cannot_be_read(
    blobs: BlobStore, indexes: Callable[[], FrameIndexes], origin_name: str
) -> None:
    blob = await put(blobs, origin_name, multi_frame(4, 500_000)[:-10])
    with pytest.raises(MalformedDataset):
        await indexes().of(blob)
    assert await kept(blobs, origin_name) == []


async def test_an_s3_that_does_not_take_it_is_no_failure(
    blobs: BlobStore,
    indexes: Callable[[], FrameIndexes],
    origin_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blob = await put(blobs, origin_name, multi_frame(4, 500_000))

    async def full(*_: object) -> None:
        raise StoreUnavailable("full")

    monkeypatch.setattr(BlobStore, "put", full)
    assert len(await indexes().of(blob)) == 4


async def test_what_is_kept_and_cannot_be_read_is_found_anew(
    blobs: BlobStore, indexes: Callable[[], FrameIndexes], origin_name: str
) -> None:
    blob = await put(blobs, origin_name, multi_frame(4, 500_000))
    await indexes().of(blob)
    (key,) = await kept(blobs, origin_name)
    await blobs.put(key, b"nonsense")
    assert len(await indexes().of(blob)) == 4


async def test_pixel_data_that_are_native_against_their_transfer_syntax_are_found_too(
    blobs: BlobStore, indexes: Callable[[], FrameIndexes], origin_name: str
) -> None:
    header = multi_frame(0, 0)[: -8 - 8 - 12 - 12]
    said = b"".join(
        struct.pack("<HH2sHH", 0x0028, element, b"US", 2, value)
        for element, value in ((0x0010, 1000), (0x0011, 1000), (0x0100, 16))
    )
    pixels = struct.pack("<HH2sxxL", 0x7FE0, 0x0010, b"OW", 2_000_000) + bytes(2_000_000)
    blob = await put(blobs, origin_name, header + said + pixels)
    assert [length for _, length in (await indexes().of(blob)).frame(1)] == [2_000_000]
    assert await kept(blobs, origin_name) == []


async def test_an_instance_that_is_small_is_read_each_time(
    blobs: BlobStore, indexes: Callable[[], FrameIndexes], origin_name: str
) -> None:
    blob = await put(blobs, origin_name, multi_frame(4, 1000))
    assert len(await indexes().of(blob)) == 4
    assert await kept(blobs, origin_name) == []


async def test_it_is_found_once_for_all(
    blobs: BlobStore, indexes: Callable[[], FrameIndexes], origin_name: str
) -> None:
    data = multi_frame(4, 500_000)
    blob = await put(blobs, origin_name, data)
    found = await indexes().of(blob)
    await blobs.delete(blob.key)
    again = await indexes().of(blob)
    assert [again.frame(number) for number in range(1, 5)] == [found.frame(number) for number in range(1, 5)]
    ((offset, length),) = again.frame(4)
    assert (offset, length) == (len(data) - 8 - 500_000, 500_000)
