"""`isthmus viewer`, with an npm that gives what the test wants."""

import os
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from isthmus.cli import viewer
from isthmus.cli.process import StartError


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is called as npm is; it gives the archive beside it, and counts how often."""
    (folder := tmp_path / "bin").mkdir()
    with tarfile.open(folder / "app.tgz", "w:gz") as archive:
        for name in (
            "package/dist/index.html",
            "package/dist/assets/a.js",
            "package/dist/a.js.map",
            "package/b.js",
        ):
            member = tarfile.TarInfo(name)
            member.size = 4
            archive.addfile(member, BytesIO(b"OHIF"))
    program = folder / "npm"
    program.write_text(
        f"""#!/bin/sh
echo called >> {folder}/calls
for last; do :; done
cp {folder}/app.tgz "$last"
echo '[{{"filename": "app.tgz"}}]'
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def known(npm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what it gives be what we know."""
    monkeypatch.setattr(viewer, "_DIGEST", viewer.digest_of(npm / "app.tgz"))


def test_the_built_viewer_is_unpacked_without_its_maps(
    npm: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(npm, monkeypatch)
    folder = viewer.viewer(data)
    files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert files == {"index.html", "assets/a.js", f".{viewer.VERSION}"}
    assert [*data.iterdir()] == [folder]


def test_what_is_there_is_not_fetched_again(npm: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known(npm, monkeypatch)
    assert viewer.viewer(data) == viewer.viewer(data)
    assert (npm / "calls").read_text() == "called\n"


@pytest.mark.usefixtures("npm")
def test_what_is_not_what_we_know_is_not_unpacked(data: Path) -> None:
    with pytest.raises(StartError, match="is not @ohif/app"):
        viewer.viewer(data)
    assert [*data.iterdir()] == []


def test_without_npm_it_says_so(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StartError, match="npm is needed"):
        viewer.viewer(data)


def test_what_npm_says_when_it_fails_is_shown(npm: Path, data: Path) -> None:
    (npm / "npm").write_text("#!/bin/sh\necho no network >&2\nexit 1\n")
    with pytest.raises(StartError, match="no network"):
        viewer.viewer(data)
