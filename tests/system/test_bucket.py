"""A bucket of others in a whole system: what is in it is served and never touched."""

import json
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pydicom
import pytest

from isthmus.common.config.settings import S3
from isthmus.common.dicom.attributes import tag_of
from tests.data_sets import identity, make_series, raw_dataset
from tests.peers import Peer, eventually
from tests.peers.clients import storescu
from tests.system.conftest import FOR_THE_BUCKET, client_of
from tests.system.gateway import Gateway
from tests.system.multipart import retrieve
from tests.system.problem import problem

BUCKET: Final = "/aets/bucket/studies"


@pytest.fixture(scope="module")
def system(inboxes: Gateway) -> Gateway:
    return inboxes


@pytest.fixture(scope="module")
def http(system: Gateway) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=system.url, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def files(tmp_path: Path, request: pytest.FixtureRequest, pushed: list[Path]) -> list[Path]:
    """Three images of a study that no other test has."""
    files = make_series(tmp_path / "files", 3, seed=zlib.crc32(request.node.name.encode()) >> 1)
    pushed += files
    return files


def key_of(file: Path) -> str:
    who = identity(file)
    return f"dicom/{who.study_instance_uid}/{who.series_instance_uid}/{who.sop_instance_uid}"


def put(bucket: S3, files: list[Path]) -> None:
    """Put files there as those do whose bucket it is."""
    for file in files:
        client_of(bucket).fput_object(bucket.bucket, key_of(file), str(file))


def objects(bucket: S3) -> dict[str, str]:
    """Give all that is in the bucket: the digests, by their keys."""
    listed = client_of(bucket).list_objects(bucket.bucket, recursive=True)
    return {str(one.object_name): str(one.etag) for one in listed}


def as_sent(files: list[Path]) -> dict[str, bytes]:
    return {identity(file).sop_instance_uid: raw_dataset(file) for file in files}


def counted(http: httpx2.Client, study: str) -> int:
    """Tell how many instances a search says that a study has."""
    matches = http.get(BUCKET, params={"StudyInstanceUID": study}).json()
    return sum(match[tag_of("NumberOfStudyRelatedInstances")]["Value"][0] for match in matches)


def printed(result: "subprocess.CompletedProcess[str]") -> Any:  # noqa: ANN401  (as json.loads)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_clearing_the_cache_takes_what_was_made_of_objects_and_no_object(
    system: Gateway, http: httpx2.Client, bucket: S3, files: list[Path]
) -> None:
    put(bucket, files)
    who = identity(files[0])
    assert retrieve(http, "bucket", who.study_instance_uid) == (as_sent(files), True)
    metadata = http.get(f"{BUCKET}/{who.study_instance_uid}/series/{who.series_instance_uid}/metadata")
    assert len(metadata.json()) == len(files)
    before = objects(bucket)

    def freed() -> int:
        freed: int = printed(system.isthmus("cache", "clear", "bucket", "--json"))["bytes"]
        return freed

    assert eventually(lambda: freed() > 0, timeout_seconds=10)
    assert objects(bucket) == before
    assert retrieve(http, "bucket", who.study_instance_uid) == (as_sent(files), True)


def test_nothing_in_a_bucket_is_deleted_by_a_client(
    http: httpx2.Client, bucket: S3, files: list[Path]
) -> None:
    put(bucket, files)
    answer = http.delete(f"{BUCKET}/{identity(files[0]).study_instance_uid}")
    assert problem(answer, 405)["detail"] == "Only what is in an inbox can be deleted"
    assert {key_of(file) for file in files} <= objects(bucket).keys()


def test_what_others_add_and_take_away_is_noticed(http: httpx2.Client, bucket: S3, files: list[Path]) -> None:
    study = identity(files[0]).study_instance_uid
    put(bucket, files[:1])
    assert eventually(lambda: counted(http, study) == 1, timeout_seconds=10)
    put(bucket, files[1:])
    assert eventually(lambda: counted(http, study) == 3, timeout_seconds=10)
    client_of(bucket).remove_object(bucket.bucket, key_of(files[1]))
    assert eventually(lambda: counted(http, study) == 2, timeout_seconds=10)
    assert retrieve(http, "bucket", study) == (as_sent([files[0], files[2]]), True)


def test_a_study_that_arrives_is_forwarded_into_a_bucket(
    system: Gateway, http: httpx2.Client, bucket: S3, files: list[Path]
) -> None:
    for file in files:
        ds = pydicom.dcmread(file)
        ds.StudyDescription = FOR_THE_BUCKET
        ds.save_as(file)
    sent = storescu(Peer("DAY", system.scp.host, system.scp.port), files)
    assert sent.code == 0, sent.log
    keys = {key_of(file) for file in files}
    assert eventually(lambda: keys <= objects(bucket).keys(), timeout_seconds=15)
    assert retrieve(http, "bucket", identity(files[0]).study_instance_uid) == (as_sent(files), True)


def test_commands_store_into_a_bucket_and_get_from_it(
    system: Gateway, bucket: S3, files: list[Path], tmp_path: Path
) -> None:
    printed(system.isthmus("store", "bucket", str(tmp_path / "files"), "--json"))
    assert {key_of(file) for file in files} <= objects(bucket).keys()
    study = identity(files[0]).study_instance_uid
    got = printed(system.isthmus("get", "bucket", study, "--output", str(tmp_path / "got"), "--json"))
    assert got["complete"] is True
    assert {identity(file).sop_instance_uid: raw_dataset(file) for file in (tmp_path / "got").iterdir()} == (
        as_sent(files)
    )
