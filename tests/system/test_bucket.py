"""A bucket of others in a whole system: what is in it is served and never touched."""

from pathlib import Path
from typing import Final

import httpx2
import pydicom
import pytest

from isthmus.common.config.settings import S3
from isthmus.common.dicom.attributes import tag_of
from tests.data_sets import identity, raw_datasets
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
def http(inboxes_http: httpx2.Client) -> httpx2.Client:
    return inboxes_http


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


def counted(http: httpx2.Client, study: str) -> int:
    """Tell how many instances a search says that a study has."""
    matches = http.get(BUCKET, params={"StudyInstanceUID": study}).json()
    return sum(match[tag_of("NumberOfStudyRelatedInstances")]["Value"][0] for match in matches)


def test_clearing_the_cache_takes_what_was_made_of_objects_and_no_object(
    system: Gateway, http: httpx2.Client, bucket: S3, files: list[Path]
) -> None:
    put(bucket, files)
    who = identity(files[0])
    assert eventually(lambda: counted(http, who.study_instance_uid) == len(files))
    assert retrieve(http, "bucket", who.study_instance_uid) == (raw_datasets(files), True)
    metadata = http.get(f"{BUCKET}/{who.study_instance_uid}/series/{who.series_instance_uid}/metadata")
    assert len(metadata.json()) == len(files)
    before = objects(bucket)

    def freed() -> int:
        freed: int = system.json_of("cache", "clear", "bucket")["bytes"]
        return freed

    assert eventually(lambda: freed() > 0)
    assert objects(bucket) == before
    assert retrieve(http, "bucket", who.study_instance_uid) == (raw_datasets(files), True)


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
    assert eventually(lambda: counted(http, study) == 1)
    put(bucket, files[1:])
    assert eventually(lambda: counted(http, study) == 3)
    client_of(bucket).remove_object(bucket.bucket, key_of(files[1]))
    assert eventually(lambda: counted(http, study) == 2)
    assert retrieve(http, "bucket", study) == (raw_datasets([files[0], files[2]]), True)


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
    assert eventually(lambda: keys <= objects(bucket).keys())
    assert retrieve(http, "bucket", identity(files[0]).study_instance_uid) == (raw_datasets(files), True)


def test_commands_store_into_a_bucket_and_get_from_it(
    system: Gateway, bucket: S3, files: list[Path], tmp_path: Path
) -> None:
    system.json_of("store", "bucket", str(tmp_path / "files"))
    assert {key_of(file) for file in files} <= objects(bucket).keys()
    study = identity(files[0]).study_instance_uid
    got = system.json_of("get", "bucket", study, "--output", str(tmp_path / "got"))
    assert got["complete"] is True
    assert raw_datasets((tmp_path / "got").iterdir()) == (raw_datasets(files))
