"""Where `isthmus up` has the DIMSE face listen, as the settings say it, and where it tells of that."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from isthmus.cli.system import System
from isthmus.common.config import Settings, load_settings
from isthmus.common.errors import SettingsError
from tests.certificates import Authority
from tests.common.config.settings_file import written
from tests.peers import free_port

TLS = """
[scp.tls]
listen = "127.0.0.1:{port}"
certificate_file = "{own.certificate}"
key_file = "{own.key}"
"""
PACS = '[[origins]]\nname = "pacs"\nae_title = "PACS"\nport = 104\n'


def system(directory: Path, text: str) -> System:
    config = written(directory, f'[gateway]\nlisten = "127.0.0.1:0"\n{text}{PACS}')
    return System(load_settings(config), config=config, data=directory / "data")


def environment(running: System) -> Mapping[str, str]:
    (scp,) = (program for stage in running.stages() for program in stage if program.name == "scp")
    return scp.environment


@pytest.fixture
def tls(tmp_path: Path) -> str:
    """The table of the port with TLS, on a free one."""
    return TLS.format(port=0, own=Authority(tmp_path / "pki").signs("own"))


def test_without_tls_there_is_the_port_in_clear(tmp_path: Path) -> None:
    port = free_port()
    running = system(tmp_path, f'[scp]\nlisten = "127.0.0.1:{port}"\n')
    told = running.run_file([]).scp
    assert (told.host, told.port, told.tls_port) == ("127.0.0.1", port, None)
    assert environment(running)["ISTHMUS_SCP__LISTEN"] == f"127.0.0.1:{port}"
    assert "ISTHMUS_SCP__TLS__LISTEN" not in environment(running)


def test_any_free_port_is_one_for_all(tmp_path: Path, tls: str) -> None:
    running = system(tmp_path, f'[scp]\nlisten = "127.0.0.1:0"\n{tls}')
    told = running.run_file([]).scp
    assert told.tls_port not in (None, 0, told.port)
    assert environment(running)["ISTHMUS_SCP__LISTEN"] == f"127.0.0.1:{told.port}"
    assert environment(running)["ISTHMUS_SCP__TLS__LISTEN"] == f"127.0.0.1:{told.tls_port}"


def test_the_service_reads_the_rest_of_the_table_from_the_file(
    tmp_path: Path, tls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = system(tmp_path, f'[scp]\nlisten = ""\n{tls}')
    for name, value in environment(running).items():
        monkeypatch.setenv(name, value)
    settings: Settings = load_settings(tmp_path / "isthmus.toml")
    told = running.run_file([]).scp
    assert settings.scp.listen == ""
    assert settings.scp.tls is not None
    assert settings.scp.tls.listen == f"127.0.0.1:{told.port}"
    assert settings.scp.tls.certificate_file == tmp_path / "pki" / "own.pem"
    assert told.tls_port == told.port


def test_the_demo_needs_the_port_in_clear(tmp_path: Path, tls: str) -> None:
    config = written(tmp_path, f'[gateway]\nlisten = "127.0.0.1:0"\n[scp]\nlisten = ""\n{tls}')
    with pytest.raises(SettingsError, match=r"scp\.listen: is empty, but the demo PACS"):
        System(load_settings(config), config=config, data=tmp_path / "data")


def test_what_is_wrong_with_a_certificate_is_said_before_anything_starts(tmp_path: Path, tls: str) -> None:
    key = tmp_path / "pki" / "own.key"
    key.write_text("")
    with pytest.raises(SettingsError) as caught:
        system(tmp_path, f"[scp]\n{tls}")
    assert str(caught.value) == f"scp.tls.key_file: {key}: holds no private key (PEM) that can be read"
