"""The settings of a bucket that is an origin, and how its keys name instances."""

from pathlib import Path

import pytest

from isthmus.common.config import S3Origin, load_settings
from isthmus.common.config.key_pattern import KeyPattern, Place
from isthmus.common.errors import SettingsError
from tests.common.config.settings_file import written

BUCKET = """
[[origins]]
name = "archive"
protocol = "s3"
ae_title = "ARCHIVE"
endpoint = "https://s3.example.org"
bucket = "dicom-files"
"""
PLACE = Place("1.2.3", "1.2.3.4", "1.2.3.4.5")


def test_a_bucket_needs_no_keys_where_everybody_may_read(tmp_path: Path) -> None:
    (origin,) = load_settings(written(tmp_path, BUCKET)).s3_origins
    assert isinstance(origin, S3Origin)
    assert origin.credentials() == (None, None)
    assert (origin.pattern, origin.refresh_seconds) == ("{study}/{series}/{instance}", 60)


def test_keys_come_from_files_and_are_shown_nowhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret that nobody sees\n")
    text = BUCKET + f"access_key = 'somebody'\nsecret_key_file = '{secret}'"
    (origin,) = load_settings(written(tmp_path, text)).s3_origins
    assert origin.credentials() == ("somebody", "a secret that nobody sees")
    assert "nobody sees" not in repr(origin)
    assert "somebody" not in repr(origin)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("access_key = 'a'", "origins[0]: access_key and secret_key go together"),
        ("secret_key = 'a'", "origins[0]: access_key and secret_key go together"),
        ("access_key = 'a'\naccess_key_file = 'b'", "access_key and access_key_file do not go together"),
        (
            "access_key = 'a'\nsecret_key_file = '/nowhere/b'",
            "origins[0]: secret_key_file: /nowhere/b: No such file",
        ),
        ("access_key = 'a'\nsecret_key_file = '/dev/null'", "secret_key_file: /dev/null: is empty"),
        ("pattern = '{study}/{instance}'", "origins[0].pattern: must have {study}, {series} and {instance}"),
        ("pattern = '{series}/{study}/{instance}'", "each once and in this order"),
        ("pattern = '{study}.{series}/{instance}'", "must have a / between"),
        ("pattern = '{study}/{series}/{instance}}'", "has a brace"),
        ("prefx = 'a'", "origins[0].prefx is no setting"),
        ("refresh_seconds = 0", "origins[0].refresh_seconds: Input should be greater than 0"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(written(tmp_path, BUCKET + text))
    assert complaint in error.value.detail


def test_what_is_for_tls_is_not_ignored_without_it(tmp_path: Path) -> None:
    text = BUCKET.replace("https://", "") + "ca_file = 'a'"
    with pytest.raises(SettingsError, match="endpoint must begin with https://: ca_file is for TLS"):
        load_settings(written(tmp_path, text))


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("dicom-files", "x", "origins[0].bucket: is no name of a bucket: 3 to 63 letters"),
        ("https://s3.example.org", "s3.example.org/a", 'origins[0].endpoint: is no "host:port" and no URL'),
        ("https://s3.example.org", "minio:abc", 'origins[0].endpoint: is no "host:port" and no URL'),
        ("https://s3.example.org", "minio:70000", 'origins[0].endpoint: is no "host:port" and no URL'),
    ],
)
def test_a_place_that_cannot_be_is_named(tmp_path: Path, right: str, wrong: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(written(tmp_path, BUCKET.replace(right, wrong)))
    assert complaint in error.value.detail


@pytest.mark.parametrize(
    ("prefix", "pattern", "key"),
    [
        ("", "{study}/{series}/{instance}", "1.2.3/1.2.3.4/1.2.3.4.5"),
        ("/2024/ct/", "{study}/{series}/{instance}", "2024/ct/1.2.3/1.2.3.4/1.2.3.4.5"),
        ("a", "{study}/{series}/{instance}.dcm", "a/1.2.3/1.2.3.4/1.2.3.4.5.dcm"),
        (
            "",
            "studies/{study}/series/{series}/instances/i+{instance}",
            "studies/1.2.3/series/1.2.3.4/instances/i+1.2.3.4.5",
        ),
    ],
)
def test_a_key_is_made_of_uids_and_read_again(prefix: str, pattern: str, key: str) -> None:
    keys = KeyPattern.of(prefix, pattern)
    assert keys.key_of(PLACE) == key
    assert keys.place_of(key) == PLACE
    assert key.startswith(keys.study_prefix(PLACE.study))


def test_the_keys_of_no_other_study_begin_like_those_of_a_study() -> None:
    keys = KeyPattern.of("", "{study}_files/{series}/{instance}")
    other = Place("1.2.3.4", "1", "1")
    assert not keys.key_of(other).startswith(keys.study_prefix("1.2.3"))


@pytest.mark.parametrize(
    "key",
    ["", "README", "1.2.3/1.2.3.4", "1.2.3/1.2.3.4/", "x/1.2.3/1/1", "1 2/1/1", "1/1/1/1", "1/1/1.dcm/1"],
)
def test_what_is_not_of_the_pattern_names_nothing(key: str) -> None:
    assert KeyPattern.of("", "{study}/{series}/{instance}").place_of(key) is None


def test_the_ending_of_a_file_name_is_no_part_of_a_uid() -> None:
    assert KeyPattern.of("", "{study}/{series}/{instance}").place_of("1/2/3.dcm") == Place("1", "2", "3")
