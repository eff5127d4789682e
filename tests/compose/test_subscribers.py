"""A subscriber of events reaches NATS in containers, as the page says."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
import yaml
from pydantic import TypeAdapter

from isthmus.cli.process import executable
from isthmus.common.bus.accounts import SERVICES
from tests.compose.files import BASE, COMPOSE, Service, read, services
from tests.documents.blocks import blocks

PAGE: Final = COMPOSE / "README.md"


@pytest.fixture
def override() -> Service:
    """What is to be written of nats into compose.override.yaml."""
    (block,) = (
        one for one in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL) if "AI_PASSWORD" in one
    )
    nats = yaml.safe_load(block)["services"]["nats"]
    source, target, mode = nats["volumes"][0].split(":")
    volume = {"type": "bind", "source": source, "target": target, "read_only": mode == "ro"}
    return Service.model_validate({**nats, "volumes": [volume]})


def test_it_is_in_a_network_that_leads_out_and_has_a_port_on_this_machine(override: Service) -> None:
    networks = TypeAdapter(Mapping[str, object]).validate_python(read(BASE)["networks"])
    assert [networks[name] for name in override.networks] == [None]
    assert override.ports == ["127.0.0.1:4222:4222"]


def test_its_configuration_goes_over_ours_and_is_taken_with_its_password(
    override: Service, tmp_path: Path
) -> None:
    (volume,) = override.volumes
    assert volume.target in {one.target for one in services(BASE)["nats"].volumes}
    (block,) = (one for one in blocks(PAGE) if one.name == "own-nats")
    folder = tmp_path / "nats"
    folder.mkdir()
    shutil.copy(COMPOSE / "nats" / "nats.conf", folder)
    subprocess.run(["sh", "-e", "-c", block.text], cwd=tmp_path, check=True)
    own = tmp_path / (volume.source or "")
    variables = (f"NATS_{name.upper().replace('-', '_')}_PASSWORD" for name in ("isthmus", *SERVICES))
    (folder / "secrets").mkdir()
    (folder / "secrets" / "passwords.conf").write_text("".join(f'{one}: "secret"\n' for one in variables))
    usual = {"NATS_STORE": f'"{tmp_path}"', "NATS_MAX_FILE": "1GB"}
    said = {key: value.replace("${AI_PASSWORD:?}", "a b") for key, value in override.environment.items()}
    assert _status(own, usual | said) == 0
    assert _status(own, usual) == 1


def _status(own: Path, environment: Mapping[str, str]) -> int:
    return subprocess.run(
        [executable("nats-server"), "-c", own, "-t"], env=environment, check=False
    ).returncode
