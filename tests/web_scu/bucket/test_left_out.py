"""What lies in a bucket under a UID and is no instance, or is not given to us: it lacks, and is counted."""

from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from isthmus.common.bus import Bus
from isthmus.common.errors import BlobRefused, StoreUnavailable
from isthmus.common.messages import MissingInstance, Retrieve
from isthmus.common.telemetry import metrics_text
from isthmus.web_scu.bucket.scan import Completeness, Scanned, Scanner
from tests.data_sets import with_sop_instance_uid
from tests.measured import measured
from tests.web_scu.bucket.objects import Archive, place_of, read, refuse, study_of


def _empty(_: bytes) -> bytes:
    return b""


def _text(_: bytes) -> bytes:
    return b"<html>no DICOM</html>" * 100


def _another(data: bytes) -> bytes:
    return with_sop_instance_uid(data, "1.2.3.4")


def _cut_off(data: bytes) -> bytes:
    return data[: len(data) - 100]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(_empty, "empty"), (_text, "no_dicom"), (_another, "other_uids"), (_cut_off, "no_dicom")],
)
async def test_what_is_no_instance_lacks_and_is_counted(
    scanner: Scanner,
    archive: Archive,
    files: list[Path],
    reads: list[tuple[str, int | None]],
    spoil: Callable[[bytes], bytes],
    reason: str,
) -> None:
    keys = await archive.put(files[:3])
    await archive.bucket.put(keys[1], spoil(files[1].read_bytes()))
    with capture_logs() as logs:
        assert await scanner.scan() == Scanned(studies=1, changed=1)
    (told,) = [log for log in logs if log["event"] == "objects in a bucket left out"]
    assert (told[f"left_out_{reason}"], told["instances"]) == (1, 2)
    assert not any(study_of(files[0]) in str(log) for log in logs)
    wanted = Retrieve(archive.origin.name, study_of(files[0]))
    manifest = await archive.catalogue.load(wanted.origin, wanted.study)
    assert manifest is not None
    found = {ref.sop_instance_uid for ref in manifest.blobs(wanted)}
    assert found == {place_of(files[0]).instance, place_of(files[2]).instance}
    lacking = MissingInstance(place_of(files[1]).series, place_of(files[1]).instance)
    assert manifest.missing(wanted) == [lacking]
    counted = (
        f'isthmus_bucket_left_out_total{{dicom_origin="{archive.origin.name}",isthmus_reason="{reason}"}} 1.0'
    )
    assert counted in metrics_text().decode()
    reads.clear()
    await scanner.scan()
    assert reads == []


async def test_of_what_is_named_by_no_uid_nothing_lacks(
    scanner: Scanner, archive: Archive, files: list[Path]
) -> None:
    (key,) = await archive.put(files[:1])
    await archive.bucket.put(key.replace(place_of(files[0]).instance, "thumbs.db"), b"pictures")
    assert await scanner.scan() == Scanned(studies=1, changed=1)
    wanted = Retrieve(archive.origin.name, study_of(files[0]))
    manifest = await archive.catalogue.load(wanted.origin, wanted.study)
    assert manifest is not None
    assert (manifest.missing(wanted), len(list(manifest.blobs(wanted)))) == ([], 1)


async def test_a_study_of_which_nothing_is_an_instance_is_none(
    scanner: Scanner, archive: Archive, files: list[Path]
) -> None:
    (key, _) = await archive.put([files[0], files[5]])
    await archive.bucket.put(key, b"")
    assert await scanner.scan() == Scanned(studies=2, changed=2)
    assert await archive.catalogue.load(archive.origin.name, study_of(files[0])) is None
    assert len(await archive.held(study_of(files[5]))) == 1


async def test_of_two_objects_of_one_instance_one_is_read(
    scanner: Scanner, archive: Archive, files: list[Path]
) -> None:
    (key,) = await archive.put(files[:1])
    await archive.bucket.put(f"{key}.dcm", files[0].read_bytes())
    with capture_logs() as logs:
        await scanner.scan()
    assert [log["left_out_duplicate"] for log in logs if "left_out_duplicate" in log] == [1]
    assert await archive.contents(study_of(files[0])) == read(files[:1])


async def test_what_is_not_given_to_us_lacks_until_it_is(
    scanner: Scanner, archive: Archive, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive.put(files)
    refusing = refuse(monkeypatch, archive.blobs, place_of(files[1]).instance)
    assert await scanner.scan() == Scanned(studies=2, changed=2)
    wanted = Retrieve(archive.origin.name, study_of(files[0]))
    manifest = await archive.catalogue.load(wanted.origin, wanted.study)
    assert manifest is not None
    assert manifest.covers(wanted, 0)
    missing = MissingInstance(place_of(files[1]).series, place_of(files[1]).instance)
    assert manifest.missing(wanted) == [missing]
    assert len(list(manifest.blobs(wanted))) == 4
    refusing.clear()
    assert await scanner.scan() == Scanned(studies=2, changed=1)
    manifest = await archive.catalogue.load(wanted.origin, wanted.study)
    assert manifest is not None
    assert (manifest.missing(wanted), len(list(manifest.blobs(wanted)))) == ([], 5)


async def test_a_study_of_which_nothing_is_given_keeps_no_other_from_being_read(
    scanner: Scanner, bus: Bus, archive: Archive, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive.put(files)
    refuse(monkeypatch, archive.blobs, study_of(files[5]))
    assert await scanner.scan() == Scanned(studies=2, changed=2, refused=1)
    assert len(await archive.held(study_of(files[0]))) == 5
    await Completeness(bus, archive.origin).check()


async def test_a_bucket_of_which_nothing_is_given_is_not_an_empty_one(
    scanner: Scanner, bus: Bus, archive: Archive, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive.put(files)
    refuse(monkeypatch, archive.blobs, archive.origin.name)
    with pytest.raises(BlobRefused, match="nothing in it is given to us"):
        await scanner.scan()
    with pytest.raises(StoreUnavailable, match="was not read to its end yet"):
        await Completeness(bus, archive.origin).check()
    assert measured("isthmus_origin_up", dicom_origin=archive.origin.name) == 0
