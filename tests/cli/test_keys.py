from pathlib import Path
from uuid import uuid4

import orjson
import pytest
from typer.testing import CliRunner

from isthmus.cli import keys
from isthmus.cli.main import app
from isthmus.common.access.key_store import KeyStore
from isthmus.common.bus import Bus
from isthmus.common.errors import Unauthenticated
from tests import planted


@pytest.fixture
def name() -> str:
    return f"key-{uuid4().hex[:12]}"


pytestmark = pytest.mark.usefixtures("running")


async def test_a_key_is_shown_alone_on_standard_output(
    data: Path, bus: Bus, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await keys.create(data, name, None)
    out, err = capsys.readouterr()
    key = out.removesuffix("\n")
    planted.plant(key)
    assert not planted.found_in(err)
    store = KeyStore(bus)
    assert (await store.require(key)).name == name
    assert await keys.revoke(data, name)
    await store.close()
    fresh = KeyStore(bus)
    with pytest.raises(Unauthenticated):
        await fresh.require(key)
    await fresh.close()


async def test_a_second_key_of_a_name_is_refused(
    data: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await keys.create(data, name, 30)
    capsys.readouterr()
    assert not await keys.create(data, name, 30)
    out, err = capsys.readouterr()
    assert not out
    assert f"isthmus key revoke {name}" in err
    assert await keys.revoke(data, name)


async def test_keys_are_listed_without_what_they_are(
    data: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await keys.create(data, name, 30)
    key = planted.plant(capsys.readouterr().out.strip())
    await keys.list_keys(data, as_json=True)
    text = capsys.readouterr().out
    (found,) = [one for one in orjson.loads(text) if one["name"] == name]
    assert (found["expired"], found["last_used"]) == (False, None)
    assert found["created"] < found["expires"]
    await keys.list_keys(data, as_json=False)
    table = capsys.readouterr().out
    assert name in table
    assert not planted.found_in(text + table)
    assert key.split("_")[1] not in table
    await keys.revoke(data, name)


async def test_what_is_not_there_cannot_be_revoked(
    data: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not await keys.revoke(data, name)
    assert f"there is no key '{name}'" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["", "a:b", "a b", "-a", "a" * 64, "ä"])
def test_a_name_that_basic_could_not_carry_is_refused(data: Path, wrong: str) -> None:
    done = CliRunner().invoke(app, ["key", "create", "--data", str(data), "--", wrong])
    assert done.exit_code == 2
    assert "a name has 1 to 63" in done.output


def test_a_key_holds_a_day_at_least(data: Path, name: str) -> None:
    assert CliRunner().invoke(app, ["key", "create", name, "--days", "0", "--data", str(data)]).exit_code == 2
