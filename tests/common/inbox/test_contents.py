"""Lists of instances in S3: block behind block, read again as they were written."""

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.errors import BlobMissing, ContractError
from isthmus.common.inbox.contents import MOST_BLOCKS, Contents, ContentsStore, Row
from isthmus.common.messages import BlobRef


def row(instance: str, digest: str = "aa", **more: object) -> Row:
    key = f"inbox/i/1.2/1.2.1/{instance}/{digest}.dcm"
    ref = BlobRef("isthmus", key, 10, "1.2", "1.2.1", instance, "1.2.840", "1.2.840.10008.1.2.1")
    attributes = {"00200013": {"vr": "IS", "Value": [1]}}
    return Row(ref, digest, 12.5, attributes, **more)  # type: ignore[arg-type]  # fields of any kind


def rows(*instances: str) -> dict[str, Row]:
    return {instance: row(instance) for instance in instances}


async def test_a_list_comes_back_as_it_was_written(blobs: BlobStore, origin_name: str) -> None:
    written = Contents({"1.2.1.1": row("1.2.1.1", others=(row("1.2.1.1", "bb").blob,), revision=3)})
    key = await ContentsStore(blobs).save(origin_name, "1.2", written)
    assert await ContentsStore(blobs).load(key) == written


async def test_no_list_is_an_empty_one(blobs: BlobStore) -> None:
    assert await ContentsStore(blobs).load(None) == Contents()


async def test_what_is_added_stands_behind_what_was_there(blobs: BlobStore, origin_name: str) -> None:
    store = ContentsStore(blobs)
    key = await store.save(origin_name, "1.2", Contents(rows("a", "b")))
    longer = await store.save(origin_name, "1.2", (await store.load(key)).with_rows(rows("c")))
    before, after = await blobs.get(key), await blobs.get(longer)
    assert after.startswith(before)
    assert list((await ContentsStore(blobs).load(longer)).rows) == ["a", "b", "c"]


async def test_a_row_takes_the_place_of_another(blobs: BlobStore, origin_name: str) -> None:
    store = ContentsStore(blobs)
    key = await store.save(origin_name, "1.2", Contents(rows("a", "b")))
    again = await store.save(origin_name, "1.2", (await store.load(key)).with_rows({"a": row("a", "cc")}))
    for reader in (store, ContentsStore(blobs)):
        read = await reader.load(again)
        assert [(uid, one.digest) for uid, one in read.rows.items()] == [("a", "cc"), ("b", "aa")]


async def test_many_additions_become_one_block(blobs: BlobStore, origin_name: str) -> None:
    store = ContentsStore(blobs)
    contents = Contents()
    for n in range(MOST_BLOCKS + 2):
        key = await store.save(origin_name, "1.2", contents.with_rows(rows(str(n))))
        contents = await store.load(key)
    assert contents.to_write().blocks == 2
    assert list((await ContentsStore(blobs).load(key)).rows) == [str(n) for n in range(MOST_BLOCKS + 2)]


async def test_each_list_has_a_key_of_its_own(blobs: BlobStore, origin_name: str) -> None:
    store = ContentsStore(blobs)
    one, other = [await store.save(origin_name, "1.2", Contents(rows("a"))) for _ in range(2)]
    await store.drop(one)
    assert (await ContentsStore(blobs).load(other)).rows == rows("a")
    with pytest.raises(BlobMissing):
        await store.load(one)


@pytest.mark.parametrize("broken", [b"\0", b"\0\0\1\0abc", b"\0\0\0\3abc"])
async def test_a_list_that_is_none_is_told(blobs: BlobStore, origin_name: str, broken: bytes) -> None:
    key = f"contents/{origin_name}/1.2/broken"
    await blobs.put(key, broken)
    with pytest.raises(ContractError, match="list of a study"):
        await ContentsStore(blobs).load(key)
