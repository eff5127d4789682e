"""The examples of docs/dimse-clients.md, taken from the page as they are, for other names and ports."""

import re
import shutil
from pathlib import Path
from typing import Final

import pytest

from isthmus.cli.named_files import check_files
from isthmus.common.config import load_settings
from tests.data_sets import identity
from tests.documents.shell import run_example
from tests.inverse.sides import Sides
from tests.peers.dcmtk import ENVIRONMENT
from tests.peers.process import eventually
from tests.system.gateway import ISTHMUS, environment
from tests.system.patient_data import traces

PAGE: Final = Path(__file__).parents[2] / "docs" / "dimse-clients.md"
EXAMPLES: Final = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))
STUDY: Final = "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"
NAMES: Final = {"CLOUD": "ARCHIVE", "cloud": "archive", "WORKSTATION": "BRIDGED"}
"""What is called otherwise here than on the page."""


class User:
    """Who has found the page, in a folder of their own from which the running system is found."""

    def __init__(self, sides: Sides, folder: Path) -> None:
        self._at = sides.gateway
        self.folder = folder
        (folder / ".isthmus").symlink_to(self._at.data)
        (folder / ".venv" / "bin").mkdir(parents=True)
        (folder / ".venv" / "bin" / "isthmus").symlink_to(ISTHMUS)

    def run(self, commands: str) -> str:
        """Run the commands of an example, each of which has to do it, and give all that they say."""
        for name, other in NAMES.items():
            commands = re.sub(rf"\b{name}\b", other, commands)
        commands = commands.replace("127.0.0.1 11112", f"127.0.0.1 {self._at.scp.port}")
        commands = commands.replace("http://127.0.0.1:8080", self._at.url)
        given = {**environment(), **ENVIRONMENT}
        return run_example(commands, self.folder, given, has_programs=lambda one: one != ISTHMUS.parent)

    def logged(self, words: str) -> str:
        """Give the trace id of the newest line in the log with these words."""

        def lines() -> list[str]:
            written = self._at.log.read_text().splitlines()
            return [line for line in written if words in line and "trace_id=" in line]

        assert eventually(lambda: bool(lines())), words
        return lines()[-1].partition("trace_id=")[2].split()[0]


@pytest.fixture
def user(sides: Sides, tmp_path: Path) -> User:
    return User(sides, tmp_path)


@pytest.fixture
def ct(corpus: list[Path]) -> Path:
    """The image of the study."""
    return next(file for file in corpus if file.name == "CT_small.dcm")


def test_every_example_of_the_page_is_run_here() -> None:
    run = {"isthmus.toml", "callers", "asking", "retrieving", "storing", "http"}
    run |= {"tls", "certificates", "encrypted"}  # in tests/scp/test_tls_page.py
    assert set(EXAMPLES) == run
    assert PAGE.read_text().count("```") == 2 * len(run)


def test_its_settings_are_settings(tmp_path: Path) -> None:
    for name in ("cloud", "s3-id", "s3-key"):
        (tmp_path / name).write_text("secret")
    text = (EXAMPLES["isthmus.toml"] + EXAMPLES["callers"]).replace("/run/secrets", str(tmp_path))
    (tmp_path / "isthmus.toml").write_text(text)
    settings = load_settings(tmp_path / "isthmus.toml")
    check_files(settings)
    assert [one.ae_title for one in settings.origins] == ["CLOUD", "BUCKET"]
    assert [one.ae_title for one in settings.scp.destinations] == ["WORKSTATION"]
    assert [one.origins for one in settings.access.rules] == [frozenset({"cloud"})]


def test_studies_are_found(user: User) -> None:
    said = user.run(EXAMPLES["asking"])
    assert "Received Echo Response (Success)" in said
    assert said.count(STUDY) == 2


def test_a_study_is_sent_and_its_trace_leads_from_the_association_to_the_server(
    user: User, sides: Sides
) -> None:
    sides.bridged.destination.clear()
    user.run(f".venv/bin/isthmus cache clear cloud {STUDY}")
    said = user.run(EXAMPLES["retrieving"])
    assert "Received Final Move Response (Success)" in said
    assert [identity(file)[:2] for file in sides.bridged.destination.files()] != []
    assert [identity(file).study_instance_uid for file in user.folder.glob("CT.*")] == [STUDY]
    trace_id = user.logged("done operation=C-MOVE")
    retrieved = re.compile(rf'"{trace_id}".*"name":"process dicom.retrieve"')
    assert eventually(lambda: bool(retrieved.search(traces(sides.gateway))))
    shown = user.run(f".venv/bin/isthmus trace {trace_id}")
    assert [one for one in ("C-MOVE  scp", "HTTP GET  web-scu", "C-STORE  scp") if one not in shown] == []


def test_an_image_is_stored_in_the_bucket_and_found_there(user: User, ct: Path) -> None:
    shutil.copyfile(ct, user.folder / "CT.dcm")

    def found() -> bool:  # the answer to a C-STORE does not wait for it; the same again changes nothing
        said = user.run(EXAMPLES["storing"])
        assert "Received Store Response (Success)" in said
        return STUDY in said

    assert eventually(found)


def test_http_clients_see_the_same_origins(user: User) -> None:
    said = user.run(EXAMPLES["http"])
    assert '"name":"bucket","protocol":"s3","ae_title":"BUCKET"' in said
    assert '"name":"archive","protocol":"dicomweb","ae_title":"ARCHIVE"' in said
    assert "bucket answers after" in said


def test_why_an_image_is_not_stored_is_in_the_log_with_its_trace(user: User, ct: Path) -> None:
    shutil.copyfile(ct, user.folder / "CT.dcm")
    user.run("storescu -aec EVERYTHING 127.0.0.1 11112 CT.dcm || true")
    assert user.logged("not stored called_ae_title=EVERYTHING")
