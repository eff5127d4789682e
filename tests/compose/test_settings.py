"""Containers and `isthmus up` start the same services with the same settings."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from isthmus.cli.embedded.gateway import EmbeddedGateway, GatewayTls
from isthmus.cli.process import Program
from isthmus.cli.system import System
from isthmus.common.blobs.rights import SERVICES
from isthmus.common.config import Settings, load_settings
from tests.compose.files import BASE, COMPOSE, Service, environment_file, services
from tests.peers import free_ports

CONTAINERS: Final = services(BASE)
PREFIX: Final = "ISTHMUS_"
IN_CONTAINERS_ALONE: Final = MappingProxyType(
    {
        # There all listen beyond loopback, where /metrics is not for everybody.
        "ISTHMUS_ACCESS__METRICS_KEY": SERVICES.keys(),
    }
)
ON_ONE_MACHINE_ALONE: Final = MappingProxyType(
    {
        # Files of a folder; containers send spans to a collector.
        "ISTHMUS_TELEMETRY__TRACES": SERVICES.keys(),
        # The demo PACS, which has a settings file there: demo/settings.
        "ISTHMUS_ORIGINS": SERVICES.keys(),
    }
)
EACH: Final = pytest.mark.parametrize("name", sorted(SERVICES))


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Program]:
    """What `isthmus up` starts without a settings file, by name."""
    data = tmp_path_factory.mktemp("data")
    gateway, scp = free_ports(2)
    (data / "isthmus.toml").write_text(
        f"[gateway]\nlisten = '127.0.0.1:{gateway}'\n[scp]\nlisten = '127.0.0.1:{scp}'\n"
    )
    system = System(load_settings(data / "isthmus.toml"), config=None, data=data)
    return {program.name: program for stage in system.stages() for program in stage}


def settings_of(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Give settings by their names; what a file holds (`..._FILE`) counts as itself."""
    return {
        name.removesuffix("_FILE"): value for name, value in environment.items() if name.startswith(PREFIX)
    }


def loaded(name: str, settings: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Load the settings as a service in a container does."""
    for variable in [one for one in os.environ if one.startswith(PREFIX)]:
        monkeypatch.delenv(variable)
    for variable, value in CONTAINERS[name].environment.items():
        monkeypatch.setenv(variable, value)
    return load_settings(settings / "isthmus.toml")


def test_they_are_the_same_services(started: Mapping[str, Program]) -> None:
    containers = {name for name, one in CONTAINERS.items() if not one.is_once and not one.profiles}
    assert containers == started.keys() - {"demo-pacs"}


@EACH
def test_each_has_the_same_settings(started: Mapping[str, Program], name: str) -> None:
    here, there = settings_of(started[name].environment), settings_of(CONTAINERS[name].environment)
    assert there.keys() - here.keys() == {key for key, who in IN_CONTAINERS_ALONE.items() if name in who}
    assert here.keys() - there.keys() == {key for key, who in ON_ONE_MACHINE_ALONE.items() if name in who}


@EACH
def test_what_does_not_depend_on_the_place_is_the_same(started: Mapping[str, Program], name: str) -> None:
    here, there = settings_of(started[name].environment), settings_of(CONTAINERS[name].environment)
    for key in ("ISTHMUS_NATS__USER", "ISTHMUS_S3__BUCKET"):
        assert here[key] == there[key]
    assert there["ISTHMUS_NATS__USER"] == there["ISTHMUS_S3__ACCESS_KEY"] == name


@EACH
def test_no_secret_is_in_the_environment(name: str) -> None:
    for variable, value in CONTAINERS[name].environment.items():
        if variable.endswith(("PASSWORD", "SECRET", "_KEY")):
            assert variable == "ISTHMUS_S3__ACCESS_KEY"  # its name there, which is none
        if variable.endswith("_FILE"):
            assert value.startswith("/run/secrets/")


@EACH
@pytest.mark.parametrize("folder", ["settings", "demo/settings"])
def test_a_service_takes_them(name: str, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(name, COMPOSE / folder, monkeypatch)
    assert settings.http.listen == "0.0.0.0:8000"
    assert settings.nats.url == "nats://nats:4222"
    assert settings.s3.endpoint == "s3:9000"
    assert settings.scp.listen == "0.0.0.0:11112"
    assert settings.gateway.base_url == "https://localhost:8443"
    assert not settings.access.is_open
    assert settings.nats.password_file is not None
    assert settings.s3.secret_key_file is not None
    assert (settings.gateway.secret_file is not None) == (name in {"qido", "wado", "stow"})
    assert (settings.access.operator_key_file is not None) == (name in {"qido", "wado", "stow"})


@pytest.mark.parametrize("name", [*sorted(SERVICES), "secrets", "isthmus"])
def test_who_wants_no_dimse_in_clear_has_none(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "isthmus.toml").write_text(
        (COMPOSE / "settings" / "isthmus.toml").read_text()
        + '[scp.tls]\nlisten = "0.0.0.0:2762"\ncertificate_file = "scp.pem"\nkey_file = "scp.key"\n'
    )
    for variable, value in services(variables={"SCP_LISTEN": ""})[name].environment.items():
        monkeypatch.setenv(variable, value)
    settings = load_settings(tmp_path / "isthmus.toml")
    assert not settings.scp.listen
    assert settings.scp.tls is not None


def test_the_demo_shows_what_nobody_must_hide_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = COMPOSE / environment_file()["ISTHMUS_SETTINGS"]
    settings = loaded("qido", folder, monkeypatch)
    (origin,) = settings.origins
    (rule,) = settings.access.rules
    assert rule.anyone
    assert rule.origins == frozenset({origin.name})
    assert rule.operations == {"search", "retrieve"}


def test_the_pacs_of_the_demo_runs_as_the_page_on_orthanc_says() -> None:
    page = (COMPOSE.parent / "docs" / "connect" / "orthanc.md").read_text()
    (said,) = re.findall(r"`(\w+)=(\w+)` in Orthanc's environment", page)
    assert CONTAINERS["orthanc"].environment == dict([said])


def test_the_gateway_is_told_the_same(tmp_path: Path) -> None:
    tls = GatewayTls(tmp_path / "certificate", tmp_path / "key", tmp_path / "authority")
    here = EmbeddedGateway(
        tmp_path, "127.0.0.1", 8443, qido=["a:1"], wado=["b:1"], stow=["c:1"], viewer=tmp_path, tls=tls
    ).program.environment
    there: Service = services(variables={"GATEWAY_TLS": "client_tls"})["gateway"]
    by_default = {
        "GATEWAY_HEADER_TIME",
        "GATEWAY_HEADER_SIZE",
        "GATEWAY_BODY_TIME",
    }
    own = {name for name in here if not name.startswith("XDG_")} - by_default
    assert there.environment.keys() - own == {"GATEWAY_FACES", "GATEWAY_SECRET_IN"}
    assert own - there.environment.keys() == {"GATEWAY_SECRET"}
    for name in ("GATEWAY_PORT", "GATEWAY_CLIENTS_PORT", "GATEWAY_SCHEME", "GATEWAY_TLS"):
        assert there.environment[name] == here[name]


@pytest.mark.parametrize("name", ["secrets", "bucket", "isthmus"])
def test_who_prepares_and_who_looks_finds_all_where_the_services_do(name: str) -> None:
    places = {"ISTHMUS_CONFIG", "ISTHMUS_NATS__URL", "ISTHMUS_S3__ENDPOINT", "ISTHMUS_S3__BUCKET"}
    places |= {"ISTHMUS_SCP__LISTEN", "ISTHMUS_GATEWAY__URL"}
    assert CONTAINERS[name].environment == {key: CONTAINERS["wado"].environment[key] for key in places}
