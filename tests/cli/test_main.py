"""What the command line does before anything is started or asked."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command
from typer.testing import CliRunner, Result

from isthmus.cli.main import app
from isthmus.cli.run_file import hold

COMMANDS_THAT_ASK = [
    ["echo", "pacs"],
    ["find", "pacs"],
    ["get", "pacs", "1.2"],
    ["cache"],
    ["cache", "show", "--studies"],
    ["cache", "--json"],
    ["cache", "clear", "pacs"],
    ["events", "--no-follow"],
    ["webhooks"],
    ["webhooks", "resume", "ai"],
    ["dead"],
    ["dead", "--json"],
    ["dead", "--to", "pacs"],
    ["dead", "show", "1"],
    ["dead", "replay", "--all"],
    ["dead", "drop", "1"],
    ["audit", "--since", "1h"],
    ["key"],
    ["key", "--json"],
    ["key", "create", "ai"],
    ["key", "revoke", "ai"],
    ["link", "1.2"],
    ["link", "1.2", "--viewer"],
]
README = Path(__file__).parents[2] / "libs" / "cli" / "README.md"


def commands(group: TyperGroup, before: str = "") -> Iterator[tuple[str, TyperCommand]]:
    """Give every command there is, by the words that name it."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{before}{name} ")
        else:
            assert isinstance(command, TyperCommand)
            yield f"{before}{name}", command


WHOLE = get_command(app)
assert isinstance(WHOLE, TyperGroup)
COMMANDS = dict(commands(WHOLE))


BEFORE_A_SYSTEM = {"secrets", "bucket"}
"""Commands that have no data folder: they prepare one that runs elsewhere."""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert ("--data" in result.output) == (command not in BEFORE_A_SYSTEM)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_its_options_are_in_the_table_of_the_readme(command: str) -> None:
    group, _, name = command.rpartition(" ")
    begins = rf"`isthmus {group} (\[?|[a-z]+\\\|){name}\b" if group else rf"`isthmus {name}\b"
    rows = [line for line in README.read_text().splitlines() if re.search(begins, line)]
    options = {name for one in COMMANDS[command].params for name in one.opts if name.startswith("--")}
    said_below = {"--data", "--json"}
    assert rows
    assert [one for one in sorted(options - said_below) if one not in "".join(rows)] == []


def test_up_names_an_unknown_setting_and_the_nearest_one(tmp_path: Path) -> None:
    config = tmp_path / "isthmus.toml"
    config.write_text('[gateway]\nlisten_on = "127.0.0.1:8080"\n')
    result = run("up", "--config", str(config), "--data", str(tmp_path / "data"))
    assert result.exit_code == 2
    assert "gateway.listen_on is no setting; did you mean listen?" in result.stderr
    assert not (tmp_path / "data").exists()


def test_up_names_a_port_that_is_taken(tmp_path: Path) -> None:
    config = tmp_path / "isthmus.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        config.write_text(f'[gateway]\nlisten = "{listen}"\n')
        result = run("up", "--config", str(config), "--data", str(tmp_path / "data"))
    assert result.exit_code == 2
    assert f"gateway.listen: {listen} is in use by another program" in result.stderr


def test_up_names_an_origin_for_storing_that_the_demo_is_not(tmp_path: Path) -> None:
    config = tmp_path / "isthmus.toml"
    listen = 'listen = "127.0.0.1:0"'
    config.write_text(f'[gateway]\n{listen}\n[scp]\n{listen}\n[dicomweb]\nstore = "pacs"\n')
    result = run("up", "--config", str(config), "--data", str(tmp_path / "data"))
    assert result.exit_code == 2
    assert "dicomweb.store: no origin is named 'pacs', only the 'demo'" in result.stderr


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file"), ("short", "a secret has at least 16")]
)
def test_up_names_a_file_that_holds_no_secret(tmp_path: Path, content: str | None, reason: str) -> None:
    config, secret = tmp_path / "isthmus.toml", tmp_path / "secret"
    if content is not None:
        secret.write_text(content)
    config.write_text(
        '[gateway]\nlisten = "127.0.0.1:0"\n[scp]\nlisten = "127.0.0.1:0"\n'
        f'[[arrivals.webhooks]]\nname = "ai"\nurl = "http://127.0.0.1:1"\nsecret_file = "{secret}"\n'
    )
    result = run("up", "--config", str(config), "--data", str(tmp_path / "data"))
    assert result.exit_code == 2
    assert f"arrivals.webhooks[0].secret_file: {secret}: {reason}" in result.stderr
    assert not (tmp_path / "data" / "run.json").exists()


CLOUD = 'protocol = "dicomweb"\nurl = "https://cloud.example.org"\n'
BUCKET = 'protocol = "s3"\nendpoint = "https://s3.example.org"\nbucket = "images"\n'


@pytest.mark.parametrize(
    ("origin", "complaint"),
    [
        (CLOUD + 'token_file = "{}/absent"', "origins[0].token_file: {}/absent: No such file"),
        (CLOUD + 'token_file = "{}/empty"', "origins[0].token_file: {}/empty: is empty"),
        (CLOUD + 'token_file = "{}/words"', "origins[0].token_file: {}/words: holds what cannot stand"),
        (CLOUD + 'user = "me"\npassword_file = "{}"', "origins[0].password_file: {}: Is a directory"),
        (
            CLOUD + '[origins.oauth2]\ntoken_url = "https://a.b"\nclient_id = "me"\n'
            'client_secret_file = "{}/absent"',
            "origins[0].oauth2.client_secret_file: {}/absent: No such file",
        ),
        (CLOUD + 'ca_file = "{}/absent"', "origin it: ca_file: {}/absent: No such file"),
        (CLOUD + 'ca_file = "{}/words"', "origin it: ca_file: {}/words: holds no certificate"),
        (
            CLOUD + 'certificate_file = "{}/absent"\nkey_file = "{}/words"',
            "origin it: certificate_file, key_file: {}/absent, {}/words: No such file",
        ),
        (BUCKET + 'ca_file = "{}/absent"', "origins[0].ca_file: {}/absent: No such file"),
        (BUCKET + 'ca_file = "{}/words"', "origins[0].ca_file: {}/words: holds no certificate"),
    ],
)
def test_up_names_a_file_that_an_origin_lacks(tmp_path: Path, origin: str, complaint: str) -> None:
    config = tmp_path / "isthmus.toml"
    (tmp_path / "empty").touch()
    (tmp_path / "words").write_text("hunter2 is what it says")
    config.write_text(
        '[gateway]\nlisten = "127.0.0.1:0"\n[scp]\nlisten = "127.0.0.1:0"\n'
        '[[origins]]\nname = "it"\nae_title = "IT"\n' + origin.replace("{}", str(tmp_path))
    )
    result = run("up", "--config", str(config), "--data", str(tmp_path / "data"))
    assert result.exit_code == 2
    assert complaint.replace("{}", str(tmp_path)) in result.stderr
    assert "hunter2" not in result.stderr
    assert not (tmp_path / "data" / "nats").exists()


def test_up_refuses_a_data_folder_that_is_in_use(tmp_path: Path) -> None:
    config = tmp_path / "isthmus.toml"
    config.touch()
    with hold(tmp_path):
        result = run("up", "--config", str(config), "--data", str(tmp_path))
    assert result.exit_code == 2
    assert f"another isthmus up runs with the data folder {tmp_path}" in result.stderr


@pytest.mark.parametrize("arguments", COMMANDS_THAT_ASK)
def test_without_a_running_system_a_command_says_so(tmp_path: Path, arguments: list[str]) -> None:
    result = run(*arguments, "--data", str(tmp_path))
    assert result.exit_code == 1
    assert f"no isthmus up runs with the data folder {tmp_path}" in result.stderr


def test_the_cache_has_no_other_commands(tmp_path: Path) -> None:
    assert run("cache", "clera", "--data", str(tmp_path)).exit_code == 2
    assert run("cache", "--data", str(tmp_path), "clear").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["dead", "lst"], "No such command 'lst'"),
        (["dead", "7"], "No such command '7'"),
        (["dead", "show"], "Missing argument 'NUMBER'"),
        (["dead", "show", "0"], "Invalid value for 'NUMBER'"),
        (["dead", "show", "x"], "Invalid value for 'NUMBER'"),
        (["dead", "drop"], "name dead letters by their numbers, or all of them by --all"),
        (["dead", "drop", "1", "--to", "pacs"], "--to goes with --all"),
        (["events", "--since", "yesterday"], "--since"),
        (["events", "--since", "-1h"], "--since"),
        (["events", "--type", "study.deleted"], "'study.deleted' is not one of"),
        (["audit", "--since", "5x"], "'5x' is no time"),
        (["audit", "--outcome", "denied"], "'denied' is not one of 'accepted', 'refused', 'failed'"),
        (["key", "create", "a b"], "a name has 1 to 63 letters"),
        (["key", "create", "ai", "--days", "0"], "Invalid value for '--days'"),
        (["link", ""], "STUDY: is no UID"),
        (["link", "1.2,1.3"], "STUDY: is no UID"),
        (["link", "1.2", "--hours", "0"], "Invalid value for '--hours'"),
        (["webhooks", "resume"], "Missing argument 'NAME'"),
        (["webhooks", "rseume", "ai"], "No such command 'rseume'"),
    ],
)
def test_a_wrong_command_is_a_usage_error(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    result = run(*arguments, "--data", str(tmp_path))
    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.replace("│", " ").split())


def test_a_key_without_a_value_is_a_usage_error() -> None:
    result = run("find", "pacs", "PatientName")
    assert result.exit_code == 2
    assert "'PatientName' is no KEY=VALUE" in result.stderr


def test_a_trace_id_that_is_none_is_a_usage_error() -> None:
    assert run("trace", "not-a-trace").exit_code == 2


def test_a_command_loads_none_of_the_servers_that_isthmus_up_brings() -> None:
    loaded = "import sys, isthmus.cli.main; print([one for one in sys.modules if '.cli.embedded' in one])"
    run = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
