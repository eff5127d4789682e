"""Where C-MOVE may send, as the settings have it."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from isthmus.common.config import load_settings
from isthmus.common.config.settings import Scp
from isthmus.common.errors import SettingsError
from tests.common.config.settings_file import written

ONE = {"ae_title": "WORKSTATION", "host": "10.1.0.7", "port": 11113}


def test_a_destination_has_defaults() -> None:
    (one,) = Scp.model_validate({"destinations": [ONE]}).destinations
    assert (one.associations, one.timeout_seconds) == (2, 30.0)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"ae_title": ""}, "ae_title"),
        ({"ae_title": "A" * 17}, "ae_title"),
        ({"host": ""}, "host"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"associations": 0}, "associations"),
        ({"associations": 65}, "associations"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"address": "10.1.0.7"}, "address"),
    ],
)
def test_what_is_wrong_is_named(changed: dict[str, object], named: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        Scp.model_validate({"destinations": [{**ONE, **changed}]})
    assert [error["loc"] for error in wrong.value.errors()] == [("destinations", 0, named)]


def test_an_ae_title_means_one_destination(tmp_path: Path) -> None:
    one = "[[scp.destinations]]\nae_title = 'WORKSTATION'\nhost = 'a'\nport = 104\n"
    file = written(tmp_path, one + one)
    with pytest.raises(SettingsError) as wrong:
        load_settings(file)
    assert wrong.value.detail == f"{file}: scp.destinations[1].ae_title: 'WORKSTATION' is there twice"
