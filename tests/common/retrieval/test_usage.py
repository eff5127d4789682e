import pytest

from isthmus.common.blobs import BlobStore, derived_key, held_key, manifest_key
from isthmus.common.bus import Bus
from isthmus.common.messages import encode
from isthmus.common.retrieval.reads import LastRead, LastReads
from isthmus.common.retrieval.usage import StudyUsage, usage
from tests.common.retrieval.held import SERIES, STUDY, blob, put


async def usage_of(bus: Bus, blobs: BlobStore, origin: str, study: str | None = None) -> list[StudyUsage]:
    return await usage(blobs, LastReads(bus), origin, study)


async def test_where_nothing_is_held_there_is_nothing(bus: Bus, blobs: BlobStore, origin_name: str) -> None:
    assert await usage_of(bus, blobs, origin_name) == []


async def test_a_key_that_nobody_of_us_wrote_is_none_of_a_study(
    bus: Bus, blobs: BlobStore, origin_name: str
) -> None:
    for key in (f"held/{origin_name}/x", f"held/{origin_name}/a b/c", f"derived/{origin_name}/%FF/d"):
        await blobs.put(key, b"x")
    await blobs.put(manifest_key(origin_name, "1" * 201), b"x")
    assert await usage_of(bus, blobs, origin_name) == []


async def test_a_study_has_the_size_of_its_instances_and_of_what_was_made_from_them(
    bus: Bus, blobs: BlobStore, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.common.blobs.store._PAGE", 2)
    await put(blobs, *(blob(number, origin=origin_name) for number in range(5)))
    await blobs.put(derived_key(origin_name, STUDY, SERIES, "metadata-d"), b"four")
    await blobs.put(manifest_key(origin_name, STUDY), b"not counted")
    (one,) = await usage_of(bus, blobs, origin_name)
    assert (one.origin, one.study, one.instances, one.size) == (origin_name, STUDY, 5, 9)
    assert one.has_manifest


async def test_an_instance_of_two_versions_is_one_and_both_are_counted(
    bus: Bus, blobs: BlobStore, origin_name: str
) -> None:
    versions = [blob(1, origin=origin_name, digest=digest) for digest in "ab"]
    await put(blobs, *versions, blob(2, origin=origin_name))
    (one,) = await usage_of(bus, blobs, origin_name)
    assert (one.instances, one.size) == (2, 3)


async def test_blobs_that_no_manifest_names_are_a_study_without_one(
    bus: Bus, blobs: BlobStore, origin_name: str
) -> None:
    await put(blobs, blob(1, origin=origin_name))
    (one,) = await usage_of(bus, blobs, origin_name)
    assert one.is_leftover


async def test_what_was_made_from_what_lies_elsewhere_is_no_leftover(
    bus: Bus, blobs: BlobStore, origin_name: str
) -> None:
    await blobs.put(derived_key(origin_name, STUDY, SERIES, "metadata-d"), b"four")
    (one,) = await usage_of(bus, blobs, origin_name)
    assert (one.instances, one.size, one.is_leftover) == (0, 4, False)


async def test_one_study_can_be_asked_for_whatever_its_name(
    bus: Bus, blobs: BlobStore, origin_name: str
) -> None:
    for study in ("1.2", "1.2.3", "a/b ä", ""):
        await blobs.put(held_key(origin_name, study, SERIES, "1", "d"), b"x")
    assert {one.study for one in await usage_of(bus, blobs, origin_name)} == {"1.2", "1.2.3", "a/b ä", ""}
    for study in ("1.2", "a/b ä", ""):
        assert [one.study for one in await usage_of(bus, blobs, origin_name, study)] == [study]


async def test_a_study_was_used_when_it_was_fetched_or_read_last(
    bus: Bus, blobs: BlobStore, origin_name: str
) -> None:
    await put(blobs, blob(1, origin=origin_name))
    (listed,) = [listed async for listed in blobs.list(f"held/{origin_name}/")]
    (fetched,) = await usage_of(bus, blobs, origin_name)
    assert (fetched.last_read, fetched.used) == (None, listed.modified)
    for seconds in (60.0, -60.0):
        read = LastRead(origin_name, STUDY, listed.modified + seconds)
        await bus.jetstream.publish(f"$KV.READS.{origin_name}.1=2", encode(read))
        (one,) = await usage_of(bus, blobs, origin_name)
        assert (one.last_read, one.used) == (read.at, listed.modified + max(seconds, 0))
