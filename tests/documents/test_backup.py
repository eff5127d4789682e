"""The backup of docs/operating.md: what was acknowledged is there after it was restored."""

import json
import shutil
from pathlib import Path
from typing import Final

from tests.data_sets import identity, make_series
from tests.documents.blocks import ROOT, blocks
from tests.documents.commands.reader import Reader
from tests.peers import eventually
from tests.system.gateway import Gateway

BLOCKS: Final = {block.name: block for block in blocks(ROOT / "docs" / "operating.md") if block.name}
SETTINGS: Final = '[[origins]]\nname = "inbox"\nprotocol = "inbox"\nae_title = "INBOX"\n'


def retrieved(system: Gateway, study: str, folder: Path) -> bool:
    """Tell whether the inbox gives the study."""
    return system.isthmus("get", "inbox", study, "--output", str(folder)).returncode == 0


def test_a_backup_that_is_restored_has_images_events_and_keys(tmp_path: Path) -> None:
    (file,) = make_series(tmp_path / "files", 1, seed=81)
    study = identity(file).study_instance_uid
    folder = tmp_path / "user"
    reader = Reader(folder, {})
    (folder / ".isthmus").symlink_to(tmp_path / "data")
    with Gateway(tmp_path, SETTINGS) as system:
        stored = system.isthmus("store", "inbox", str(file))
        assert stored.returncode == 0, stored.stderr
        assert eventually(lambda: retrieved(system, study, tmp_path / "before"))
        assert system.isthmus("key", "create", "ai").returncode == 0
    reader.run(BLOCKS["backup"])
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "data").mkdir()
    reader.run(BLOCKS["restore"])
    with Gateway(tmp_path, SETTINGS) as system:
        assert retrieved(system, study, tmp_path / "after")
        (one,) = (tmp_path / "after").glob("*.dcm")
        assert identity(one) == identity(file)
        assert [known["name"] for known in system.json_of("key", "list")] == ["ai"]
        events = system.isthmus(
            "events", "--since", "1h", "--no-follow", "--type", "instance.stored", "--json"
        )
        subjects = [json.loads(line)["subject"] for line in events.stdout.splitlines()]
        assert [subject.partition("/")[0] for subject in subjects] == [study]
