"""What holds for every container: what it may do, and for what it waits."""

import importlib.resources
import json
import re
from collections.abc import Mapping

import jsonschema
import pytest

from isthmus.cli.embedded.gateway import CADDYFILE
from isthmus.common.blobs.rights import SERVICES
from tests.compose.files import BASE, COMPOSE, ROOT, SEAWEEDFS, Service, environment_file, read, services

ALL: Mapping[str, Service] = services(BASE)
WITH_SEAWEEDFS = services(BASE, SEAWEEDFS)
EVERY = pytest.mark.parametrize("name", sorted(ALL))
OWN = "isthmus:0.1.0"
PUBLISHED = {
    "gateway": [8443],
    "scp": [11112, 2762],
    "jaeger": [16686],
    "prometheus": [9090],
    "grafana": [3000],
}
NETWORKS = {
    "front": {"gateway", "qido", "wado", "stow", "isthmus", "studies"},
    "pacs": {"scp", "dimse-scu", "web-scu", "orthanc", "isthmus"},
    "out": {"arrivals"},
    "inner": {"nats", "s3", "bucket", *SERVICES, "isthmus", "collector", "prometheus"},
    "observability": {"collector", "jaeger", "prometheus", "grafana"},
}
"""Who is in a network."""
WRITERS = {"secrets", "viewer"}
"""Who fills volumes that others read."""
WITHOUT_PROGRAMS = {"collector"}
"""Whose images have no other program, with which they could be asked."""


@pytest.mark.parametrize("name", [BASE, SEAWEEDFS, "observability/compose.yaml"])
def test_the_files_are_what_the_compose_specification_says(name: str) -> None:
    schema = importlib.resources.files("check_jsonschema.builtin_schemas.vendor") / "compose-spec.json"
    jsonschema.validate(read(name), json.loads(schema.read_text()))


@EVERY
def test_no_container_may_do_more_than_it_must(name: str) -> None:
    for one in (ALL[name], WITH_SEAWEEDFS[name]):
        assert one.user == "10001:10001"
        assert one.read_only
        assert one.cap_drop == ["ALL"]
        assert [*one.cap_add] == (["NET_BIND_SERVICE"] if name == "gateway" else [])
        assert one.security_opt == ["no-new-privileges:true"]
        assert 64 <= one.limits.megabytes <= 4096
        assert 50 <= one.limits.pids <= 1000
        assert one.restart


@EVERY
def test_every_image_is_named_exactly(name: str) -> None:
    for one in (ALL[name], WITH_SEAWEEDFS[name]):
        tag = one.image.partition("@")[0].rpartition(":")[2]
        assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-[0-9a-z.]+)?|RELEASE\.[0-9TZ-]+", tag), one.image


@EVERY
def test_every_container_says_whether_it_is_well(name: str) -> None:
    one = ALL[name]
    if one.is_once or name in WITHOUT_PROGRAMS:
        return
    test = one.healthcheck["test"]
    assert isinstance(test, list)
    assert test[0] == "CMD"
    assert "curl" not in test


def test_the_demo_pacs_is_well_when_it_listens_where_it_is_to() -> None:
    """The kernel lists ports in hexadecimal, and `0A` is a port on which somebody listens."""
    port = json.loads((COMPOSE / "demo" / "orthanc.json").read_text())["DicomPort"]
    command = ["grep", "-q", f":{port:04X} .* 0A ", "/proc/net/tcp", "/proc/net/tcp6"]
    assert ALL["orthanc"].healthcheck["test"] == ["CMD", *command]


@EVERY
def test_who_is_waited_for_is_well_or_done(name: str) -> None:
    for other, how in ALL[name].depends_on.items():
        wanted = "service_completed_successfully" if ALL[other].is_once else "service_healthy"
        assert how["condition"] == wanted, other
        assert not ALL[other].profiles or set(ALL[name].profiles) <= set(ALL[other].profiles)


@EVERY
def test_nobody_sees_the_secrets_of_another(name: str) -> None:
    for one in (ALL[name], WITH_SEAWEEDFS[name]):
        folders = [volume for volume in one.volumes if (volume.source or "").startswith("secrets-")]
        if name in WRITERS:
            assert one.network_mode == "none"
            continue
        assert all(volume.read_only for volume in folders)
        owners = {"bucket": "s3", "isthmus": "operator", "studies": "operator"}
        assert {volume.source for volume in folders} <= {f"secrets-{owners.get(name, name)}"}


@EVERY
def test_nobody_sees_the_files_of_another(name: str) -> None:
    """Of those that isthmus.toml names, such as a key of scp; the keys of buckets are read by all."""
    for one in (ALL[name], WITH_SEAWEEDFS[name]):
        mounted = [volume for volume in one.volumes if volume.target.startswith("/etc/isthmus")]
        seen = {volume.target.removeprefix("/etc/isthmus"): volume.source for volume in mounted}
        settings = {"/isthmus.toml": "./settings/isthmus.toml"}
        files = {f"/files/{reader}": f"./files/{reader}" for reader in ("all", name)}
        if name in SERVICES:
            assert seen == settings | files
        elif name == "isthmus":
            assert seen == settings | {"/files": "./files"}
        elif ALL[name].image == OWN and seen:
            assert seen == settings | {"/files/all": "./files/all"}
        else:
            assert not seen


def test_git_takes_up_the_folders_of_files_and_nothing_in_them() -> None:
    rules = (COMPOSE / "files" / ".gitignore").read_text().splitlines()
    assert rules[1:] == ["*", "!*/", "!.gitkeep", "!.gitignore"]


def test_secrets_that_are_renewed_are_for_the_same_gateway() -> None:
    """`docker compose run secrets --renew ...` puts its words in the place of the command: there is none."""
    secrets = services(variables={"ISTHMUS_HOST": "isthmus.example.org"})["secrets"]
    assert not secrets.command
    words = " ".join(secrets.entrypoint)
    assert words == "isthmus secrets /secrets --host isthmus.example.org --own /own"


@EVERY
def test_what_others_reach_is_on_this_machine_alone_unless_it_is_said(name: str) -> None:
    ports = [*ALL[name].ports]
    assert ports == [f"127.0.0.1:{port}:{port}" for port in PUBLISHED.get(name, [])]


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_who_needs_a_network_is_in_it_and_nobody_else(network: str) -> None:
    assert {name for name, one in ALL.items() if network in one.networks} == NETWORKS[network]


def test_what_holds_data_is_on_the_inner_network_alone_which_leads_nowhere() -> None:
    assert ALL["nats"].networks == ALL["s3"].networks == WITH_SEAWEEDFS["s3"].networks == ["inner"]
    assert read(BASE)["networks"] == {
        "front": None,
        "inner": {"internal": True},
        "pacs": None,
        "out": None,
        "observability": None,
    }


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_the_services_are_all_of_one_image_and_can_be_several(name: str) -> None:
    assert ALL[name].image == OWN
    assert ALL[name].command == ["python", "-m", f"isthmus.{name.replace('-', '_')}"]
    assert "container_name" not in read(BASE)
    assert name == "scp" or not ALL[name].ports
    # What does not fit in memory goes there: it must not be memory again.
    assert [volume.type for volume in ALL[name].volumes if volume.target == "/tmp"] == ["volume"]


def test_each_volume_is_made_by_the_image_with_its_owner() -> None:
    made = re.search(
        r"for reader in (.*?); do.*?for data in (.*?); do", (ROOT / "Dockerfile").read_text(), re.S
    )
    assert made is not None
    places = {f"/secrets/{name}": f"secrets-{name}" for name in made[1].split()}
    places |= {f"/volumes/{name}": name for name in made[2].split()}
    mounted = {volume.target: volume.source for volume in ALL["secrets"].volumes if volume.type == "volume"}
    assert mounted == places
    named = {volume.source for one in ALL.values() for volume in one.volumes if volume.type == "volume"}
    assert named - {None} == {*mounted.values()}


@EVERY
def test_what_is_mounted_from_here_is_here(name: str) -> None:
    folder = COMPOSE / "observability" if "observability" in ALL[name].profiles else COMPOSE
    for volume in ALL[name].volumes:
        if volume.type == "bind":
            assert volume.source is not None
            assert (folder / volume.source).exists()
            assert volume.read_only


def test_it_begins_with_the_demo_and_runs_without() -> None:
    assert environment_file() == {"COMPOSE_PROFILES": "demo", "ISTHMUS_SETTINGS": "./demo/settings"}
    needed = {name for name, one in ALL.items() if not one.profiles}
    assert needed == {"secrets", "nats", "s3", "bucket", "gateway", *SERVICES}


def test_the_gateway_is_the_one_that_isthmus_up_runs() -> None:
    assert CADDYFILE.resolve() == COMPOSE / "Caddyfile"
    (mounted,) = [volume for volume in ALL["gateway"].volumes if volume.target == "/etc/caddy/Caddyfile"]
    assert mounted.source == "./Caddyfile"
