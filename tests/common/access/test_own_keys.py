"""The keys that an operator puts into files: his own, that of Prometheus, that of links."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from isthmus.common.access.authenticator import Authenticator
from isthmus.common.bus import Bus
from isthmus.common.errors import SettingsError
from tests import planted
from tests.common.access.asking import OPERATOR, STUDY, bearer, refused, told
from tests.common.access.faces import face, settings_of

METRICS = planted.secret("metrics")


async def test_a_link_key_that_cannot_be_read_is_named(bus: Bus) -> None:
    with pytest.raises(SettingsError, match=r"access.link_key_file: /none/key: No such file"):
        Authenticator(settings_of({"link_key_file": "/none/key"}), bus)


@pytest.mark.parametrize("setting", ["operator_key_file", "metrics_key_file"])
async def test_a_key_of_ours_that_cannot_be_read_is_named(bus: Bus, setting: str) -> None:
    with pytest.raises(SettingsError, match=rf"access.{setting}: /none/key: No such file"):
        Authenticator(settings_of({setting: "/none/key"}), bus)


@pytest.fixture
def own_keys(tmp_path: Path) -> Mapping[str, str]:
    """The settings of keys in files."""
    keys = {"operator": OPERATOR, "metrics": METRICS}
    for name, key in keys.items():
        (tmp_path / name).write_text(f"{key}\n")
    return {f"{name}_key_file": str(tmp_path / name) for name in keys}


async def test_the_operator_and_prometheus_are_known_by_keys_in_files(
    bus: Bus, own_keys: Mapping[str, str]
) -> None:
    async with face(settings_of(own_keys, is_open=True), bus) as http:
        for name, key in (("operator", OPERATOR), ("metrics", METRICS)):
            assert (await told(http, bearer(key)))["kind"] == name


async def test_where_there_are_rules_prometheus_sees_no_origin(bus: Bus, own_keys: Mapping[str, str]) -> None:
    async with face(settings_of(own_keys), bus) as http:
        assert (await told(http, bearer(OPERATOR)))["kind"] == "operator"
        assert (await http.get(STUDY, headers=bearer(METRICS))).status_code == 404
        await refused(http, bearer(METRICS[:-1]))
