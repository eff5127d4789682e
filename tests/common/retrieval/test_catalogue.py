import zlib

import pytest
from structlog.testing import capture_logs

from isthmus.common.blobs import BlobStore, derived_key, manifest_key
from isthmus.common.messages import encode
from isthmus.common.retrieval import Catalogue
from tests.common.retrieval.held import (
    OTHER_SERIES,
    REFUSED,
    SERIES,
    STUDY,
    blob,
    held_series,
    manifest,
    missing,
    put,
)


async def keys(blobs: BlobStore, origin: str) -> set[str]:
    """Of all that lies in S3 for an origin, without the kind."""
    return {
        listed.key
        for kind in ("held", "manifests", "derived")
        async for listed in blobs.list(f"{kind}/{origin}/")
    }


async def test_what_was_never_held_has_no_manifest(catalogue: Catalogue, origin_name: str) -> None:
    assert await catalogue.load(origin_name, STUDY) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no manifest at all",
        zlib.compress(b"\xc1"),
        zlib.compress(encode(REFUSED)),
        zlib.compress(encode(manifest("pacs"))).replace(b"x", b"y", 1),
        zlib.compress(encode(manifest("pacs")))[:-6],
    ],
    ids=["nothing", "text", "no message", "another message", "not compressed", "cut"],  # they hold the time
)
async def test_what_cannot_be_read_is_no_manifest_and_is_logged(
    catalogue: Catalogue, blobs: BlobStore, origin_name: str, data: bytes
) -> None:
    await blobs.put(manifest_key(origin_name, STUDY), data)
    with capture_logs() as logs:
        assert await catalogue.load(origin_name, STUDY) is None
    assert [line["event"] for line in logs] == ["manifest not read"]


async def test_a_manifest_of_another_version_is_none(
    catalogue: Catalogue, blobs: BlobStore, origin_name: str
) -> None:
    other = encode(manifest(origin_name)).replace(b"\xa1v\x01", b"\xa1v\x02")
    await blobs.put(manifest_key(origin_name, STUDY), zlib.compress(other))
    assert await catalogue.load(origin_name, STUDY) is None


async def test_a_manifest_is_read_as_it_was_written(catalogue: Catalogue, origin_name: str) -> None:
    written = manifest(
        origin_name,
        held_series(blob(1), blob(2), missing=(missing(3),), failure=REFUSED),
        held_series(series=OTHER_SERIES),
    )
    await catalogue.save(written)
    assert await catalogue.load(origin_name, STUDY) == written
    assert await catalogue.load(origin_name, "1.2.9") is None


async def test_each_load_gives_what_any_replica_wrote_last(
    catalogue: Catalogue, blobs: BlobStore, origin_name: str
) -> None:
    for number in (1, 2):
        written = manifest(origin_name, held_series(blob(number)))
        await Catalogue(blobs).save(written)
        assert await catalogue.load(origin_name, STUDY) == written
        assert await catalogue.load(origin_name, STUDY) == written
    await Catalogue(blobs).drop(origin_name, STUDY)
    assert await catalogue.load(origin_name, STUDY) is None


async def test_a_manifest_of_5000_instances_comes_back(
    catalogue: Catalogue, blobs: BlobStore, origin_name: str
) -> None:
    series = [f"{STUDY}.{number}" for number in range(10)]
    await catalogue.save(
        manifest(
            origin_name,
            *(held_series(*(blob(n, uid) for n in range(500)), series=uid) for uid in series),
        )
    )
    loaded = await Catalogue(blobs).load(origin_name, STUDY)
    assert loaded is not None
    assert sum(len(one.instances) for one in loaded.series) == 5000


async def test_a_study_that_is_dropped_leaves_nothing_and_its_neighbours_stay(
    catalogue: Catalogue, blobs: BlobStore, origin_name: str
) -> None:
    held = [blob(number, origin=origin_name) for number in range(10)]
    await put(blobs, *held)
    await blobs.put(derived_key(origin_name, STUDY, SERIES, "metadata-d"), b"x")
    await catalogue.save(manifest(origin_name, held_series(*held)))
    await blobs.put(manifest_key(origin_name, f"{STUDY}.1"), b"x")
    await catalogue.drop(origin_name, STUDY)
    assert await keys(blobs, origin_name) == {manifest_key(origin_name, f"{STUDY}.1")}


async def test_dropping_what_is_not_there_is_no_error(catalogue: Catalogue, origin_name: str) -> None:
    await catalogue.drop(origin_name, STUDY)


async def test_instances_that_are_forgotten_go_with_what_was_made_from_their_series(
    catalogue: Catalogue, blobs: BlobStore, origin_name: str
) -> None:
    stays, goes, other = (
        blob(1, origin=origin_name),
        blob(2, origin=origin_name),
        blob(1, OTHER_SERIES, origin=origin_name),
    )
    await put(blobs, stays, goes, other)
    others_metadata = derived_key(origin_name, STUDY, OTHER_SERIES, "metadata-d")
    for key in (derived_key(origin_name, STUDY, SERIES, "metadata-d"), others_metadata):
        await blobs.put(key, b"x")
    await catalogue.forget([goes])
    assert await keys(blobs, origin_name) == {stays.key, other.key, others_metadata}


async def test_a_manifest_that_names_what_is_lost_is_deleted(
    catalogue: Catalogue, blobs: BlobStore, origin_name: str
) -> None:
    there, lost = blob(1, origin=origin_name), blob(2, origin=origin_name)
    await put(blobs, there)
    await catalogue.save(manifest(origin_name, held_series(there, lost)))
    with capture_logs() as logs:
        await catalogue.mend(origin_name, STUDY)
    assert await keys(blobs, origin_name) == {there.key}
    assert [(line["event"], line["instances"]) for line in logs] == [("blobs lost", 1)]


async def test_a_manifest_that_names_what_is_there_stays(
    catalogue: Catalogue, blobs: BlobStore, origin_name: str
) -> None:
    there = blob(1, origin=origin_name)
    await put(blobs, there)
    written = manifest(origin_name, held_series(there))
    await catalogue.save(written)
    await catalogue.mend(origin_name, STUDY)
    assert await catalogue.load(origin_name, STUDY) == written
