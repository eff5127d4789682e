"""Where the system is: as containers are told, with the origins of the settings."""

from pathlib import Path

import pytest

from isthmus.cli.run_file import (
    ELSEWHERE,
    CachePart,
    NatsPart,
    NotRunning,
    ProcessPart,
    RunFile,
    S3Part,
    ScpPart,
)
from isthmus.cli.status.target import Target
from isthmus.common.errors import SettingsError

RUN = RunFile(
    gateway="https://gateway:8443",
    nats=NatsPart(url="nats://nats:4222", user="isthmus", password="p"),
    s3=S3Part(endpoint="s3:9000", bucket="isthmus", access_key="a", secret_key="s"),
    scp=ScpPart(ae_title="ISTHMUS", host="scp", port=11112),
    cache=CachePart(max_bytes=1000),
    services={},
    processes=[ProcessPart(name="qido", address="qido:8000")],
)


def test_a_container_is_told_where_the_services_are_and_its_settings_name_the_origins(tmp_path: Path) -> None:
    (tmp_path / ELSEWHERE).write_text(RUN.model_dump_json())
    config = tmp_path / "isthmus.toml"
    config.write_text('[[origins]]\nname = "pacs"\nae_title = "PACS"\nhost = "pacs"\nport = 104\n')
    target = Target.find(tmp_path, {"ISTHMUS_CONFIG": str(config)})
    assert [one.address for one in target.run.processes] == ["qido:8000"]
    assert [(one.name, one.protocol) for one in target.run.origins] == [("pacs", "dimse")]
    assert (target.nats.url, target.nats.user, target.s3.endpoint) == (
        "nats://nats:4222",
        "isthmus",
        "s3:9000",
    )


def test_settings_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    (tmp_path / ELSEWHERE).write_text(RUN.model_dump_json())
    with pytest.raises(SettingsError, match="there is no such file"):
        Target.find(tmp_path, {"ISTHMUS_CONFIG": str(tmp_path / "none.toml")})


def test_settings_lead_to_the_gateway_by_its_own_certificate_or_by_its_url(tmp_path: Path) -> None:
    config = tmp_path / "isthmus.toml"
    environ = {"ISTHMUS_NATS__URL": "nats://nats:4222", "ISTHMUS_CONFIG": str(config)}
    tls = '[gateway]\ncertificate_file = "/gateway.pem"\nkey_file = "/gateway.key"\n'
    for text, url, certificate in (
        ("", "http://127.0.0.1:8080", None),
        (tls, "https://127.0.0.1:8080", Path("/gateway.pem")),
        (tls + 'url = "https://pacs.example.org"\n', "https://pacs.example.org", None),
    ):
        config.write_text(text)
        run = Target.find(tmp_path, environ).run
        assert (run.gateway, run.certificate) == (url, certificate)


def test_without_a_word_of_nats_nothing_runs(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        Target.find(tmp_path, {})
