"""The files for containers of NATS and MinIO: what is written is what the services may do."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from isthmus.cli.embedded.base import free_ports
from isthmus.cli.embedded.nats_conf import SubscriberUser, configuration, passwords, standing_users
from isthmus.cli.process import executable
from isthmus.common.blobs.rights import SERVICES
from isthmus.common.bus import Bus, accounts
from isthmus.common.config.settings import Nats
from tests.documents.backing_files import COMPOSE, files

CONFIGURATION = COMPOSE / "nats" / "nats.conf"


def test_the_files_say_what_the_services_may_do() -> None:
    for path, text in files().items():
        assert path.read_text() == text, f"{path.name}: make docs writes it"
    assert {path.stem for path in (COMPOSE / "minio").iterdir()} == {*SERVICES}


def test_the_policies_name_no_more_than_the_bucket() -> None:
    for path in (COMPOSE / "minio").iterdir():
        for statement in json.loads(path.read_text())["Statement"]:
            assert statement["Effect"] == "Allow"
            assert not [action for action in statement["Action"] if "*" in action]
            assert all(resource.startswith("arn:aws:s3:::isthmus") for resource in statement["Resource"])


PASSWORDS = {user: f"{user} 1$" for user in ("isthmus", *accounts.SERVICES)}


def command(folder: Path, of_users: Mapping[str, str], port: int, monitoring: int) -> Sequence[str]:
    """Lay the files as they are in the container, and give what runs there."""
    configuration = folder / "nats.conf"
    configuration.write_text(CONFIGURATION.read_text())
    (folder / "secrets").mkdir()
    (folder / "secrets" / "passwords.conf").write_text(passwords(of_users))
    listen = ("-a", "127.0.0.1", "-p", str(port), "-m", str(monitoring))
    return (executable("nats-server"), "-c", str(configuration), *listen)


async def test_nats_server_takes_the_file_with_the_passwords_beside_it(tmp_path: Path) -> None:
    port, monitoring = free_ports(2)
    server = await asyncio.create_subprocess_exec(
        *command(tmp_path, PASSWORDS, port, monitoring),
        env={"NATS_STORE": f'"{tmp_path}"', "NATS_MAX_FILE": "1GB"},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert server.stderr is not None
        async for line in server.stderr:
            if b"Server is ready" in line:
                break
        url = f"nats://127.0.0.1:{port}"
        for user in ("isthmus", "qido", "dimse-scu"):
            bus = await Bus.connect(Nats(url=url, user=user, password=f"{user} 1$"), "test")
            assert bus.connected
            await bus.close()
    finally:
        server.terminate()
        await server.communicate()


def test_without_its_marks_the_file_has_a_subscriber_as_isthmus_up_configures_it() -> None:
    wanted = configuration(
        listen="0.0.0.0:4222",
        store="$NATS_STORE",
        users=[*standing_users(), SubscriberUser.of("ai", "AI_PASSWORD")],
        most="$NATS_MAX_FILE",
    )
    text = CONFIGURATION.read_text()
    assert text.count("#:") > len(accounts.asked_by_subscriber("ai"))
    settings = text[text.index("listen:") :]
    assert settings.replace("#:", "") == wanted
    kept = [line for line in settings.splitlines() if not line.startswith("#:")]
    assert not [line for line in kept if "subscriber" in line or "AI_PASSWORD" in line]


async def test_without_one_of_the_passwords_it_does_not_start(tmp_path: Path) -> None:
    lacking = {user: password for user, password in PASSWORDS.items() if user != "wado"}
    server = await asyncio.create_subprocess_exec(
        *(*command(tmp_path, lacking, *free_ports(2)), "-t"),
        env={"NATS_STORE": f'"{tmp_path}"', "NATS_MAX_FILE": "1GB"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await server.communicate()
    assert server.returncode != 0
    assert b"NATS_WADO_PASSWORD" in said


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_says_what_its_rights_are(name: str) -> None:
    rights = SERVICES[name]
    for words, prefixes in (("reads", rights.reads), ("writes and deletes", rights.writes)):
        said = ", ".join(f"`{prefix}/`" for prefix in prefixes) or "nothing"
        assert f"{words} {said}" in (COMPOSE.parent / "services" / name / "README.md").read_text()
