"""The worker as a process of its own, with settings that only it can see to be wrong."""

import os
import subprocess
import sys
from pathlib import Path

from isthmus.common.config.settings import S3, Nats
from tests.waiting import PATIENCE


def test_a_certificate_that_is_not_there_is_named(
    tmp_path: Path, nats_settings: Nats, s3_settings: S3
) -> None:
    config, absent = tmp_path / "isthmus.toml", tmp_path / "absent.pem"
    config.write_text(
        f'[nats]\nurl = "{nats_settings.url}"\nuser = "{nats_settings.user}"\n'
        f'password = "{nats_settings.password}"\n'
        f'[s3]\nendpoint = "{s3_settings.endpoint}"\nbucket = "{s3_settings.bucket}"\n'
        f'access_key = "{s3_settings.access_key}"\nsecret_key = "{s3_settings.secret_key}"\n'
        '[[origins]]\nname = "cloud"\nprotocol = "dicomweb"\nae_title = "CLOUD"\n'
        f'url = "https://127.0.0.1:9"\nca_file = "{absent}"\n'
    )
    foreign = {name: value for name, value in os.environ.items() if not name.startswith("ISTHMUS_")}
    ended = subprocess.run(
        [sys.executable, "-m", "isthmus.web_scu"],
        env={**foreign, "ISTHMUS_CONFIG": str(config)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"origin cloud: ca_file: {absent}: No such file or directory" in ended.stderr
