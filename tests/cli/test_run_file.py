import stat
from pathlib import Path

import orjson
import pytest

from isthmus.cli.run_file import ELSEWHERE, InUse, NotRunning, RunFile, Undescribed, hold
from isthmus.common.config.settings import Nats
from tests.cli.conftest import LINK_KEY, OPERATOR_KEY, SIGNING_KEY
from tests.cli.face import Face


def test_a_folder_that_never_was_one_says_that_nothing_runs(data: Path) -> None:
    with pytest.raises(NotRunning, match="no isthmus up runs"):
        RunFile.read(data)


def test_what_a_killed_one_left_behind_says_that_nothing_runs(data: Path) -> None:
    with hold(data):
        pass
    (data / "run.json").write_text("{}")
    with pytest.raises(NotRunning, match="no isthmus up runs"):
        RunFile.read(data)


def test_one_that_still_starts_says_so(data: Path) -> None:
    with hold(data), pytest.raises(NotRunning, match="not ready yet"):
        RunFile.read(data)


def test_a_folder_belongs_to_one_at_a_time(data: Path) -> None:
    with hold(data), pytest.raises(InUse), hold(data):
        pytest.fail("held twice")
    with hold(data):
        pass


async def test_only_its_owner_reads_it_and_it_tells_where_everything_is(
    gateway: Face, data: Path, nats_settings: Nats
) -> None:
    path = data / "run.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert orjson.loads(path.read_bytes()) == {
        "gateway": f"http://{gateway.address}",
        "nats": {
            "url": nats_settings.url,
            "user": nats_settings.user,
            "password": nats_settings.password,
            "ca_file": None,
            "certificate_file": None,
            "key_file": None,
        },
        "s3": {
            "endpoint": "127.0.0.1:9000",
            "bucket": "isthmus",
            "access_key": "key",
            "secret_key": "secret",
            "ca_file": None,
        },
        "scp": {"ae_title": "ISTHMUS", "host": "127.0.0.1", "port": 11112, "tls_port": None},
        "cache": {"max_bytes": 1000},
        "services": {"nats": [1]},
        "processes": [],
        "origins": [],
        "key": OPERATOR_KEY,
        "metrics_key": "",
        "link_key": LINK_KEY,
        "signing_key": SIGNING_KEY,
        "clients": "https://pacs.example.org",
        "certificate": None,
    }
    assert RunFile.read(data).services == {"nats": [1]}


def test_it_is_gone_with_who_wrote_it(data: Path) -> None:
    with hold(data):
        (data / "run.json").write_text("{}")
    assert not (data / "run.json").exists()


async def test_a_description_of_a_system_elsewhere_may_name_files_with_its_secrets(
    gateway: Face, data: Path
) -> None:
    described = orjson.loads(RunFile.read(data).model_dump_json())
    nats, s3 = described["nats"], described["s3"]
    for part, keys in ((nats, ["password"]), (s3, ["access_key", "secret_key"])):
        for key in keys:
            del part[key]
            part[f"{key}_file"] = key
            (data / key).write_text(f"held in {key}\n")
    (data / ELSEWHERE).write_bytes(orjson.dumps(described))
    run = RunFile.read(data)
    assert run.nats.password == "held in password"
    assert (run.s3.access_key, run.s3.secret_key) == ("held in access_key", "held in secret_key")
    (data / "secret_key").unlink()
    with pytest.raises(Undescribed, match=r"s3\.secret_key_file: No such file"):
        RunFile.read(data)


async def test_a_description_of_a_system_elsewhere_that_cannot_be_used_says_why_and_shows_no_secret(
    gateway: Face, data: Path
) -> None:
    described = orjson.loads(RunFile.read(data).model_dump_json())
    nats = {
        **described["nats"],
        "url": "nats://nats:4222",
        "ca_file": "ca.pem",
        "password": "not-to-be-shown",
    }
    (data / ELSEWHERE).write_bytes(orjson.dumps({**described, "nats": nats, "scp": "not-to-be-shown"}))
    with pytest.raises(
        Undescribed, match=r"system\.json cannot be used: nats: ca_file: without TLS"
    ) as caught:
        RunFile.read(data)
    assert "; scp: " in caught.value.detail
    assert "not-to-be-shown" not in caught.value.detail


def test_a_description_of_a_system_elsewhere_that_cannot_be_read_says_why(data: Path) -> None:
    (data / ELSEWHERE).mkdir(parents=True)
    with pytest.raises(Undescribed, match=r"system\.json cannot be read: Is a directory"):
        RunFile.read(data)
