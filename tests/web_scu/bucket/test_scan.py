"""A bucket is compared with its records: what is new, changed or gone; what is no instance is left out."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore, derived_key
from isthmus.common.blobs.store import ListedBlob
from isthmus.common.bus import Bus
from isthmus.common.config import S3Origin
from isthmus.common.config.settings import S3
from isthmus.common.errors import StoreUnavailable
from isthmus.common.inbox.index import Index
from isthmus.web_scu.bucket import heads
from isthmus.web_scu.bucket.refresh import Refresher
from isthmus.web_scu.bucket.scan import Completeness, Scanned, Scanner
from tests.common.inbox.studies import arrived
from tests.data_sets import make_series
from tests.measured import measured
from tests.web_scu.bucket.objects import Archive, place_of, read, refuse, study_of


async def test_what_is_new_can_be_read_where_it_is(
    scanner: Scanner, archive: Archive, files: list[Path]
) -> None:
    await archive.put(files)
    assert await scanner.scan() == Scanned(studies=2, changed=2)
    refs = await archive.held(study_of(files[0]))
    assert {ref.bucket for ref in refs} == {"archive"}
    assert await archive.read(refs) == read(files[:5])
    assert await archive.contents(study_of(files[5])) == read(files[5:])


async def test_nothing_is_read_twice_not_even_by_another_process(
    scanner: Scanner, bus: Bus, archive: Archive, files: list[Path], reads: list[tuple[str, int | None]]
) -> None:
    await archive.put(files)
    await scanner.scan()
    assert len(reads) == len(files)
    assert measured("isthmus_bucket_read_total", dicom_origin=archive.origin.name) == len(files)
    assert await scanner.scan() == Scanned(studies=2, changed=0)
    index = Index(bus)
    async with index.following():
        refresher = Refresher(bus, archive.blobs, archive.bucket, archive.origin)
        another = Scanner(bus, archive.bucket, archive.origin, index, refresher)
        assert await another.scan() == Scanned(studies=2, changed=0)
    assert len(reads) == len(files)


async def test_what_was_made_from_a_series_that_is_gone_goes_too(
    scanner: Scanner, archive: Archive, files: list[Path]
) -> None:
    keys = await archive.put(files)
    await scanner.scan()
    gone, stays = (place_of(files[number]) for number in (5, 0))
    derived = [derived_key(archive.origin.name, one.study, one.series, "metadata-d") for one in (gone, stays)]
    for key in derived:
        await archive.blobs.put(key, b"made from a patient's images")
    await archive.bucket.delete(keys[5])
    await scanner.scan()
    assert await archive.blobs.find(derived[0]) is None
    assert await archive.blobs.find(derived[1]) is not None


async def test_of_a_study_that_grows_only_what_is_new_is_read(
    scanner: Scanner, archive: Archive, files: list[Path], reads: list[tuple[str, int | None]]
) -> None:
    await archive.put(files[:3])
    await scanner.scan()
    await archive.put(files[3:])
    reads.clear()
    assert await scanner.scan() == Scanned(studies=2, changed=2)
    assert len(reads) == 3
    assert len(await archive.held(study_of(files[0]))) == 5


async def test_what_is_changed_or_gone_is_so_at_the_next_scan(
    scanner: Scanner, archive: Archive, files: list[Path]
) -> None:
    keys = await archive.put(files)
    await scanner.scan()
    changed = files[0].read_bytes()[:-2] + b"xy"
    await archive.bucket.put(keys[0], changed)
    await archive.bucket.delete(keys[1])
    await archive.bucket.delete(keys[5])
    assert await scanner.scan() == Scanned(studies=1, changed=2)
    refs = await archive.held(study_of(files[0]))
    assert await archive.read(refs) == sorted([changed, *read(files[2:5])])
    assert await archive.held(study_of(files[5])) == []


async def test_what_is_not_of_the_pattern_is_not_looked_at(
    scanner: Scanner,
    bucket: BlobStore,
    origin: S3Origin,
    reads: list[tuple[str, int | None]],
) -> None:
    await bucket.put(f"{origin.name}/README", b"text")
    await bucket.put(f"{origin.name}/1.2/thumbnails/1/2.jpg", b"picture")
    await bucket.put(f"{origin.name}-another/1/2/3", b"of another folder")
    assert await scanner.scan() == Scanned(studies=0, changed=0)
    assert reads == []


async def test_what_vanishes_between_listing_and_reading_is_left_out(
    refresher: Refresher, archive: Archive, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = await archive.put(files[:3])
    read_head = heads.read_head

    async def too_late(blobs: BlobStore, key: str, size: int, etag: str) -> object:
        if place_of(files[1]).instance in key:
            await archive.bucket.delete(keys[1])
        return await read_head(blobs, key, size, etag)

    monkeypatch.setattr("isthmus.web_scu.bucket.reading.read_head", too_late)
    await refresher.refresh(study_of(files[0]))
    assert len(await archive.held(study_of(files[0]))) == 2


async def test_what_is_overwritten_between_listing_and_reading_is_read_as_it_is_now(
    refresher: Refresher, archive: Archive, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = await archive.put(files[:3])
    changed = files[1].read_bytes()[:-2] + b"xy"
    read_head, overwriting = heads.read_head, [changed]

    async def too_late(store: BlobStore, key: str, size: int, etag: str) -> object:
        if place_of(files[1]).instance in key and overwriting:
            await archive.bucket.put(keys[1], overwriting.pop())
        return await read_head(store, key, size, etag)

    monkeypatch.setattr("isthmus.web_scu.bucket.reading.read_head", too_late)
    await refresher.refresh(study_of(files[0]))
    refs = await archive.held(study_of(files[0]))
    assert await archive.read(refs) == sorted([changed, *read([files[0], files[2]])])


async def test_a_large_header_is_read_by_more(
    scanner: Scanner, archive: Archive, tmp_path: Path, reads: list[tuple[str, int | None]]
) -> None:
    (file,) = make_series(tmp_path, 1)
    data = file.read_bytes()
    at = data.index(b"\x20\x00\x0d\x00")  # before the Study Instance UID
    private = (
        b"\x11\x00\x10\x00LO\x04\x00TEST" + b"\x11\x00\x01\x10OB\x00\x00" + (100_000).to_bytes(4, "little")
    )
    large = data[:at] + private + bytes(100_000) + data[at:]
    await archive.put([large])
    assert await scanner.scan() == Scanned(studies=1, changed=1)
    assert len(await archive.held(study_of(file))) == 1
    assert [length for _, length in reads] == [64 * 1024, min(1024 * 1024, len(large))]


async def test_a_listing_in_another_order_than_that_of_keys_takes_nothing_away(
    scanner: Scanner, archive: Archive, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive.put(files)
    listing = archive.bucket.list

    async def mixed(prefix: str, *, deadline: float | None = None) -> AsyncIterator[ListedBlob]:
        listed = [one async for one in listing(prefix, deadline=deadline)]
        first = [one for one in listed if study_of(files[0]) in one.key]
        for one in [*first[:2], *(one for one in listed if one not in first), *first[2:]]:
            yield one

    monkeypatch.setattr(archive.bucket, "list", mixed)
    for _ in range(2):
        assert (await scanner.scan()).failed == 0
        assert len(await archive.held(study_of(files[0]))) == 5
        assert len(await archive.held(study_of(files[5]))) == 1


async def test_a_bucket_that_cannot_be_listed_is_away_and_changes_nothing(
    scanner: Scanner, bus: Bus, archive: Archive, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive.put(files)
    await scanner.scan()
    assert measured("isthmus_origin_up", dicom_origin=archive.origin.name) == 1

    async def broken(prefix: str) -> object:
        raise StoreUnavailable("S3 list: 500")
        yield

    monkeypatch.setattr(archive.bucket, "list", broken)
    with pytest.raises(StoreUnavailable):
        await scanner.scan()
    assert measured("isthmus_origin_up", dicom_origin=archive.origin.name) == 0
    assert len(await archive.held(study_of(files[0]))) == 5


async def test_a_bucket_that_is_listed_and_not_read_is_away_too(
    scanner: Scanner, archive: Archive, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive.put(files)
    monkeypatch.setattr("isthmus.web_scu.bucket.scan.GIVEN_UP", 2)
    refuse(monkeypatch, archive.blobs, archive.origin.name, StoreUnavailable("get: 503 SlowDown"))
    with pytest.raises(StoreUnavailable, match="SlowDown"):
        await scanner.scan()
    assert measured("isthmus_origin_up", dicom_origin=archive.origin.name) == 0


async def test_a_study_that_could_not_be_read_may_lack_in_what_is_found(
    scanner: Scanner, bus: Bus, archive: Archive, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive.put(files)
    failing = refuse(monkeypatch, archive.blobs, study_of(files[5]), StoreUnavailable("get: 500"))
    assert await scanner.scan() == Scanned(studies=2, changed=2, failed=1)
    complete = Completeness(bus, archive.origin)
    with pytest.raises(StoreUnavailable, match="was not read to its end yet"):
        await complete.check()
    failing.clear()
    assert await scanner.scan() == Scanned(studies=2, changed=1)
    await complete.check()


async def test_what_an_inbox_of_the_same_name_took_is_not_touched(
    scanner: Scanner, bus: Bus, archive: Archive, files: list[Path]
) -> None:
    await arrived(bus, archive.blobs, archive.origin.name, files[:2])
    await archive.put(files[2:3])
    assert await scanner.scan() == Scanned(studies=1, changed=1, failed=1)
    assert await archive.contents(study_of(files[0])) == read(files[:2])


async def test_it_is_known_whether_all_was_read(
    scanner: Scanner, bus: Bus, origin: S3Origin, bucket: BlobStore, s3_settings: S3
) -> None:
    complete = Completeness(bus, origin)
    with pytest.raises(StoreUnavailable, match="was not read to its end yet"):
        await complete.check()
    await scanner.scan()
    await complete.check()
    another_folder = origin.model_copy(update={"prefix": f"{origin.prefix}/other"})
    with pytest.raises(StoreUnavailable, match="was not read to its end yet"):
        await Completeness(bus, another_folder).check()


async def test_two_who_look_at_a_study_at_the_same_time_do_not_undo_each_other(
    bus: Bus, archive: Archive, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = (Refresher(bus, archive.blobs, archive.bucket, archive.origin) for _ in range(2))
    await archive.put(files[:1])
    read_head = heads.read_head
    turns = 0

    async def overtaken(store: BlobStore, key: str, size: int, etag: str) -> object:
        nonlocal turns
        turns += 1
        if turns == 1:
            await archive.put(files[1:3])
            await quick.refresh(study_of(files[0]))
        return await read_head(store, key, size, etag)

    monkeypatch.setattr("isthmus.web_scu.bucket.reading.read_head", overtaken)
    await slow.refresh(study_of(files[0]))
    assert len(await archive.held(study_of(files[0]))) == 3
