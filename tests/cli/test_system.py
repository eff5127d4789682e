"""What `isthmus up` gives to each of its programs, before any is started."""

import datetime
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from isthmus.cli.process import Program
from isthmus.cli.system import System
from isthmus.common.bus.accounts import SERVICES
from isthmus.common.config import load_settings
from isthmus.common.errors import SettingsError
from tests.certificates import Authority
from tests.peers import free_ports

RULE = "[[access.rules]]\nkey = 'ann'\noperations = ['search']\n"
INBOX = "[[origins]]\nname = 'inbox'\nprotocol = 'inbox'\nae_title = 'INBOX'\n"
SUBSCRIBER = "[[access.subscribers]]\nname = '{}'\npassword = 'a password of at least 32 characters'\n"
HEARS = "[[access.rules]]\nsubscriber = 'ai'\noperations = ['events']\norigins = ['inbox']\n"
SECRETS = ("PASSWORD", "SECRET", "KEY")


def system(directory: Path, text: str = "", *, host: str = "127.0.0.1", gateway: str = "") -> System:
    port, scp_port = free_ports(2)
    config = directory / "isthmus.toml"
    config.write_text(
        f"[gateway]\nlisten = '{host}:{port}'\n{gateway}[scp]\nlisten = '127.0.0.1:{scp_port}'\n{text}"
    )
    (directory / "data").mkdir(exist_ok=True)
    return System(load_settings(config), config=config, data=directory / "data")


def programs(one: System) -> Mapping[str, Program]:
    return {program.name: program for stage in one.stages() for program in stage}


def secrets(one: System) -> Mapping[str, str]:
    """The values of all variables with a secret, by program and name."""
    return {
        f"{program.name} {name}": value
        for program in programs(one).values()
        for name, value in program.environment.items()
        if name.endswith(SECRETS) and not Path(value).is_absolute()
    }


def test_the_services_wait_for_nats_and_s3_and_for_nothing_else(tmp_path: Path) -> None:
    before, beside, last = ([program.name for program in stage] for stage in system(tmp_path).stages())
    assert before == ["nats", "s3"]
    assert {*beside} == {*SERVICES, "demo-pacs"}
    assert last == ["gateway"]


def test_each_service_has_a_user_and_a_key_of_its_own(tmp_path: Path) -> None:
    started = programs(system(tmp_path))
    for name in ("ISTHMUS_NATS__PASSWORD", "ISTHMUS_S3__ACCESS_KEY", "ISTHMUS_S3__SECRET_KEY"):
        values = {started[service].environment[name] for service in SERVICES}
        assert len(values) == len(SERVICES)
    assert {service: started[service].environment["ISTHMUS_NATS__USER"] for service in SERVICES} == {
        service: service for service in SERVICES
    }


def test_the_faces_and_the_gateway_know_the_same_secret(tmp_path: Path) -> None:
    started = programs(system(tmp_path))
    secret = started["gateway"].environment["GATEWAY_SECRET"]
    assert len(secret) >= 32
    assert {started[face].environment["ISTHMUS_GATEWAY__SECRET"] for face in ("qido", "wado", "stow")} == {
        secret
    }


def test_secrets_that_the_settings_have_in_files_are_not_said_twice(tmp_path: Path) -> None:
    (file := tmp_path / "secret").write_text("of at least thirty-two characters\n")
    one = system(tmp_path, f"[access]\noperator_key_file = '{file}'\n", gateway=f"secret_file = '{file}'\n")
    environment = programs(one)["qido"].environment
    assert not {"ISTHMUS_ACCESS__OPERATOR_KEY", "ISTHMUS_GATEWAY__SECRET"} & environment.keys()
    assert programs(one)["gateway"].environment["GATEWAY_SECRET"] == file.read_text().strip()
    assert one.run_file([]).key == file.read_text().strip()


def test_no_secret_is_in_an_argument_and_every_file_is_private(tmp_path: Path) -> None:
    one = system(tmp_path)
    one.prepare()
    arguments = [argument for program in programs(one).values() for argument in program.command]
    values = secrets(one)
    assert len({*values.values()}) > 3 * len(SERVICES)
    assert not [name for name, value in values.items() if any(value in argument for argument in arguments)]
    holding = [
        file
        for file in (tmp_path / "data").rglob("*")
        if file.is_file() and any(value in file.read_text() for value in values.values())
    ]
    assert holding
    assert {stat.S_IMODE(file.stat().st_mode) for file in holding} == {0o600}


def test_passwords_and_keys_are_new_with_every_start(tmp_path: Path) -> None:
    before, after = (secrets(system(tmp_path)) for _ in range(2))
    kept = {name.split()[-1] for name, value in before.items() if after[name] == value}
    # What signs is kept with what was signed by it.
    assert kept == {"ISTHMUS_ACCESS__SIGNING_KEY", "ISTHMUS_ACCESS__LINK_KEY"}


def test_the_ready_line_says_whether_everybody_may_do_everything(tmp_path: Path) -> None:
    without = system(tmp_path)
    assert without.ready_line == f"isthmus is ready: {without.url} (open to everyone on this machine)"
    with_rules = system(tmp_path, RULE)
    assert with_rules.ready_line == f"isthmus is ready: {with_rules.url}"


def test_beyond_loopback_it_warns_where_there_is_no_tls(tmp_path: Path) -> None:
    beyond = system(tmp_path, RULE, host="0.0.0.0")
    assert beyond.url.startswith("http://127.0.0.1:")
    assert "without TLS" in beyond.warnings[0]
    assert "gateway.url" in beyond.warnings[1]
    assert not system(tmp_path, RULE).warnings
    assert "is for nobody" in system(tmp_path, RULE.replace("key", "user")).warnings[0]


def test_a_certificate_of_the_gateway_that_has_expired_is_warned_of(tmp_path: Path) -> None:
    ends = datetime.timedelta(hours=-1)
    expired = Authority(tmp_path).signs("expired", since=2 * ends, until=ends)
    expired.key.chmod(0o600)
    pair = f"certificate_file = '{expired.certificate}'\nkey_file = '{expired.key}'\n"
    with_tls = system(tmp_path, RULE, gateway=f"{pair}client_ca_file = '{expired.certificate}'\n")
    own, of_clients = with_tls.warnings
    assert own.startswith(f"gateway.certificate_file: {expired.certificate}: has expired (")
    assert of_clients.startswith(f"gateway.client_ca_file: {expired.certificate}: has expired (")


def test_a_secret_that_everybody_may_read_is_warned_of(tmp_path: Path) -> None:
    own = Authority(tmp_path).signs("own")
    password = tmp_path / "password"
    password.write_text("a password of at least 32 characters")
    subscriber = SUBSCRIBER.format("ai").replace(
        "password = 'a password of at least 32 characters'", f"password_file = '{password}'"
    )
    pair = f"certificate_file = '{own.certificate}'\nkey_file = '{own.key}'\n"
    text = f"[scp.tls]\nlisten = '127.0.0.1:0'\n{pair}{subscriber}{HEARS}{INBOX}"
    own.certificate.chmod(0o644)
    for file in (own.key, password):
        file.chmod(0o640)
    assert not system(tmp_path, text).warnings
    for file in (own.key, password):
        file.chmod(0o644)
    of_key, of_password = sorted(system(tmp_path, text).warnings, reverse=True)
    assert of_key == f"scp.tls.key_file: everybody on this machine may read {own.key}: chmod 600"
    assert of_password.startswith("access.subscribers[0].password_file: ")


def test_the_certificate_of_the_gateway_must_be_one(tmp_path: Path) -> None:
    own = Authority(tmp_path).signs("gateway")
    missing = f"certificate_file = '{tmp_path}/none.pem'\nkey_file = '{own.key}'\n"
    with pytest.raises(SettingsError, match=r"^gateway\.certificate_file: .*none\.pem: "):
        system(tmp_path, gateway=missing)
    swapped = f"certificate_file = '{own.certificate}'\nkey_file = '{own.certificate}'\n"
    with pytest.raises(SettingsError, match=r"^gateway\.key_file: "):
        system(tmp_path, gateway=swapped)
    right = f"certificate_file = '{own.certificate}'\nkey_file = '{own.key}'\n"
    environment = programs(system(tmp_path, gateway=right))["gateway"].environment
    assert (environment["GATEWAY_SCHEME"], environment["GATEWAY_TLS"]) == ("https", "tls")


def test_the_gateway_is_told_which_proxies_are_trusted(tmp_path: Path) -> None:
    environment = programs(system(tmp_path, gateway="trusted_proxies = ['10.1.0.0/16', '::1']\n"))["gateway"]
    assert environment.environment["GATEWAY_TRUSTED_PROXIES"] == "10.1.0.0/16 ::1/128"
    with pytest.raises(SettingsError, match=r"gateway\.trusted_proxies.*'private_ranges' is no IP address"):
        system(tmp_path, gateway="trusted_proxies = ['private_ranges']\n")


def test_a_subscriber_is_a_user_of_nats_with_its_own_password(tmp_path: Path) -> None:
    environment = programs(system(tmp_path, SUBSCRIBER.format("ai") + HEARS + INBOX))["nats"].environment
    assert environment["SUBSCRIBER_0_PASSWORD"] == '"a password of at least 32 characters"'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (SUBSCRIBER.format("qido"), "access.subscribers[0].name: 'qido' is a name of our own on the bus"),
        (SUBSCRIBER.format("isthmus"), "'isthmus' is a name of our own"),
        (SUBSCRIBER.format("arrivals-timers"), "'arrivals-timers' is a name of our own"),
        (SUBSCRIBER.format("webhook-a"), "'webhook-a' is a name of our own"),
        (SUBSCRIBER.format("ai") + RULE, "access.subscribers[0]: no rule says what it may have"),
        (
            SUBSCRIBER.format("ai") + HEARS + "network = '10.0.0.0/8'\n" + INBOX,
            "access.rules[0]: of a subscriber nothing else can be known",
        ),
        ("[nats]\npassword_file = 'x'\n", "nats.password_file: isthmus up brings its own"),
        ("[s3]\nsecret_key_file = 'x'\n", "s3.secret_key_file: isthmus up brings its own"),
        *(
            (f"[access]\n{name}_file = '/none'\n", f"access.{name}_file: /none: No such file")
            for name in ("signing_key", "link_key", "operator_key", "metrics_key")
        ),
        (
            SUBSCRIBER.format("ai").replace(
                "password = 'a password of at least 32 characters'", "password_file = '/none'"
            )
            + HEARS
            + INBOX,
            "access.subscribers[0].password_file: /none: No such file or directory",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_started(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        system(tmp_path, text)
    assert complaint in caught.value.detail
