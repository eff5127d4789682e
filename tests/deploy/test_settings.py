"""The services of the chart have the settings that they have in compose, and take them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
import yaml

from isthmus.cli.run_file import RunFile
from isthmus.common.bus.accounts import SERVICES
from isthmus.common.config import Settings, load_settings
from tests.compose.files import services
from tests.deploy.kubelet import Prepared, prepare
from tests.deploy.rendering import Manifest, read, render

README: Final = Path(__file__).parents[2] / "deploy" / "README.md"
COMPOSE: Final = Path(__file__).parents[2] / "compose" / "compose.yaml"
EVERYTHING: Final = read(Path(__file__).parent / "values" / "everything.yaml")
EXTERNAL: Final = read(Path(__file__).parent / "values" / "external.yaml")
KNOWN: Final = (*SERVICES, "operator")
GIVEN: Final[Mapping[str, Mapping[str, str]]] = {
    "scp-tls": {"tls.crt": "certificate", "tls.key": "key"},
    "ai": {"secret": "b" * 32},
    "bus-ca": {"ca.crt": "authority"},
    "s3-ca": {"ca.crt": "authority"},
    **{f"bus-{name}": {"nats_password": f"bus {name}"} for name in KNOWN},
    **{f"store-{name}": {"s3_access_key": f"id {name}", "s3_secret_key": f"key {name}"} for name in KNOWN},
}
"""What is not of the chart."""
RULE: Final = '[[access.rules]]\nae_title = "CT1"\nnetwork = "10.0.0.0/8"\noperations = ["store"]\n'
ELSEWHERE_MEANT: Final = {
    "ISTHMUS_NATS__URL": "nats://isthmus-nats:4222",
    "ISTHMUS_S3__ENDPOINT": "isthmus-s3:9000",
    "ISTHMUS_GATEWAY__URL": "http://isthmus-gateway.imaging.svc:80",
}
"""What is elsewhere in a cluster."""


def composed(service: str) -> dict[str, str]:
    """Give the environment of a service in compose, but for where its spans go."""
    environment = services()[service].environment
    return {name: value for name, value in environment.items() if not name.startswith("OTEL_")}


@pytest.fixture(params=list(SERVICES))
def service(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def settings_of(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Read the settings as the process would."""
    for name, value in prepared.environment.items():
        monkeypatch.setenv(name, value)
    return load_settings(Path(prepared.environment["ISTHMUS_CONFIG"]))


def test_a_service_has_the_settings_of_compose(service: str) -> None:
    here = {one["name"]: one.get("value") for one in render().container(service)["env"]}
    there = composed(service)
    assert here.keys() == there.keys()
    for name, value in there.items():
        if name.endswith("_FILE"):
            assert here[name] == value.replace("/run/secrets/", "/run/secrets/isthmus/")
        else:
            assert here[name] == ELSEWHERE_MEANT.get(name, value), name


@pytest.mark.parametrize("values", [{}, EVERYTHING, EXTERNAL], ids=["defaults", "everything", "external"])
def test_a_service_takes_its_settings_and_finds_its_secrets(
    service: str, values: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = render(values)
    settings = settings_of(prepare(rendered, service, tmp_path, GIVEN), monkeypatch)
    own = rendered.secret(service)
    assert settings.nats.user == service
    assert not settings.access.is_open
    assert settings.access.signing_secret == own["signing_key"]
    assert settings.access.metrics_secret == own["metrics_key"]
    assert settings.access.link_secret == own.get("link_key")
    assert settings.access.operator_secret == own.get("operator_key")
    assert settings.gateway.shown_secret == own.get("gateway_secret")
    external = values == EXTERNAL
    assert settings.nats.secret == (f"bus {service}" if external else own["nats_password"])
    assert settings.s3.secret == (f"key {service}" if external else own["s3_secret_key"])
    assert settings.s3.access_key == (f"id {service}" if external else service)
    assert settings.nats.url == ("tls://nats.bus.svc:4222" if external else "nats://isthmus-nats:4222")
    assert settings.s3.bucket == ("images" if external else "isthmus")


def test_the_files_of_secrets_and_certificates_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = render(EVERYTHING)
    scp = settings_of(prepare(rendered, "scp", tmp_path / "scp", GIVEN), monkeypatch).scp
    assert scp.ae_title == "ARCHIVE"
    assert scp.tls is not None
    assert scp.tls.listen == "0.0.0.0:2762"
    assert (scp.tls.certificate_file.read_text(), scp.tls.key_file.read_text()) == ("certificate", "key")
    for part in ("arrivals", "operator"):
        prepare(rendered, part, tmp_path / part, {**GIVEN, "gateway-tls": {"tls.crt": "certificate"}})
        assert (tmp_path / part / "run" / "secrets" / "ai" / "secret").read_text() == "b" * 32
    assert not (tmp_path / "scp" / "run" / "secrets" / "ai").exists()


def test_who_wants_no_dimse_in_clear_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = f'[scp.tls]\nclient_ca_file = "/run/secrets/ai/secret"\n{RULE}'
    rendered = render({"config": config, "scp": {"clear": False, "tlsSecret": "scp-tls", "tlsPort": 104}})
    for part in (*SERVICES, "operator"):
        scp = settings_of(prepare(rendered, part, tmp_path / part, GIVEN), monkeypatch).scp
        assert not scp.listen
        assert scp.tls is not None
        assert scp.tls.client_ca_file == Path("/run/secrets/ai/secret")
        assert scp.tls.certificate_file.exists() == (part in {"scp", "operator"})
    assert {one["name"] for one in rendered.container("scp")["ports"]} == {"http", "dicom-tls"}
    (published,) = rendered.of_kind("Service")["dicom"]["spec"]["ports"]
    assert (published["targetPort"], published["port"]) == ("dicom-tls", 104)
    run = RunFile.read(tmp_path / "operator" / "operator" / ".isthmus")
    assert (run.scp.port, run.scp.tls_port) == (104, 104)


def test_the_values_of_the_readme_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, nats = re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)
    assert "operator" in render({**yaml.safe_load(shown), **yaml.safe_load(nats)}).pods()
    rendered = render(yaml.safe_load(shown))
    settings = settings_of(prepare(rendered, "qido", tmp_path), monkeypatch)
    assert [origin.name for origin in settings.origins] == ["pacs", "inbox"]
    assert settings.gateway.url == "https://isthmus.example.org"
    assert "pacs.cidrs" not in rendered.notes


def test_each_service_runs_its_own_program(service: str) -> None:
    command = yaml.safe_load(COMPOSE.read_text())["services"][service]["command"]
    assert render().container(service)["command"] == command


def test_the_gateway_has_the_environment_of_compose() -> None:
    here = {one["name"]: one["value"] for one in render(EVERYTHING).container("gateway")["env"]}
    there = yaml.safe_load(COMPOSE.read_text())["services"]["gateway"]["environment"]
    not_there = {"VIEWER_ROOT", "VIEWER_SETTINGS", "GATEWAY_CLIENT_CA"}
    assert here.keys() == there.keys() - not_there
    assert here["GATEWAY_TRUSTED_PROXIES"] == "10.42.0.0/16 fd00::/8"


def test_the_operator_verifies_servers_of_ones_own_by_what_the_services_do(tmp_path: Path) -> None:
    prepare(render(EXTERNAL), "operator", tmp_path, GIVEN)
    run = RunFile.read(tmp_path / "operator" / ".isthmus")
    for server in (run.nats, run.s3):
        assert server.ca_file is not None
        assert server.ca_file.read_text() == "authority"


def test_with_servers_of_ones_own_the_operator_has_what_is_named_for_him_and_the_keys_of_the_services(
    tmp_path: Path,
) -> None:
    rendered = render(EXTERNAL)
    prepare(rendered, "operator", tmp_path, GIVEN)
    run = RunFile.read(tmp_path / "operator" / ".isthmus")
    assert (run.nats.url, run.nats.user, run.nats.password) == (
        "tls://nats.bus.svc:4222",
        "isthmus",
        "bus operator",
    )
    assert (run.s3.endpoint, run.s3.bucket) == ("https://s3.example.org", "images")
    assert (run.s3.access_key, run.s3.secret_key) == ("id operator", "key operator")
    wado = rendered.secret("wado")
    assert (run.key, run.signing_key) == (wado["operator_key"], wado["signing_key"])
    assert (run.link_key, run.metrics_key) == (wado["link_key"], wado["metrics_key"])
    assert run.gateway == "http://isthmus-gateway.imaging.svc:80"
    assert {one.address for one in run.processes} == {f"isthmus-{name}:8000" for name in SERVICES}


def test_the_operator_is_told_where_everything_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = render(EVERYTHING)
    prepared = prepare(rendered, "operator", tmp_path, {**GIVEN, "gateway-tls": {"tls.crt": "certificate"}})
    run = RunFile.read(prepared.root / "operator" / ".isthmus")
    kept = rendered.secret("secrets")
    assert (run.nats.user, run.nats.password) == ("isthmus", kept["nats_isthmus"])
    assert (run.s3.access_key, run.s3.secret_key) == ("isthmus", kept["s3_isthmus"])
    assert (run.key, run.metrics_key) == (kept["operator_key"], kept["metrics_key"])
    assert (run.link_key, run.signing_key) == (kept["link_key"], kept["signing_key"])
    assert run.gateway == "https://isthmus-gateway.imaging.svc:443"
    assert run.clients == "https://isthmus.example.org"
    assert run.certificate is not None
    assert run.certificate.read_text() == "certificate"
    addresses = {one.name: one.address for one in run.processes}
    assert addresses == {name: f"isthmus-{name}:8000" for name in SERVICES}
    settings = settings_of(prepared, monkeypatch)
    assert (run.scp.ae_title, run.scp.port, run.scp.tls_port) == (settings.scp.ae_title, 104, 2762)
    assert settings.scp.listen == "0.0.0.0:11112"
    assert run.cache.max_bytes == settings.cache.max_bytes == 80_000_000_000


@pytest.mark.parametrize(
    "config",
    [
        RULE,
        f'[scp]\n# ae_title = "OLD"\n[[scp.callers]]\nae_title = "WS"\nhost = "ws"\nport = 104\n{RULE}',
        f"[scp]\nmax_pdu = 8192\n\nae_title = 'GATE' # known so\n[cache]\nmax_bytes = 1_000\n{RULE}",
    ],
    ids=["not said", "of others", "said"],
)
def test_what_the_operator_is_told_of_the_settings_is_what_they_say(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepare(render({"config": config}), "operator", tmp_path)
    run, settings = RunFile.read(tmp_path / "operator" / ".isthmus"), settings_of(prepared, monkeypatch)
    assert run.scp.ae_title == settings.scp.ae_title
    assert run.cache.max_bytes == settings.cache.max_bytes
