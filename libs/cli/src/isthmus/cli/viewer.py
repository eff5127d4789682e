"""`isthmus viewer`: OHIF, built, from npm into the data folder, where the gateway serves it at `/`."""

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from isthmus.cli.output import progress_console
from isthmus.cli.process import StartError

PACKAGE: Final = "@ohif/app"
VERSION: Final = "3.13.2"
_DIGEST: Final = (
    "sha512-WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA=="
)
"""Of what npm gives for this version, as lock files write it."""
_BUILT: Final = "package/dist/"
_FOLDER: Final = "viewer"


def viewer_folder(data: Path) -> Path:
    """Give where the viewer is, or would be."""
    return data / _FOLDER


def viewer(data: Path) -> Path:
    """Fetch the viewer unless it is there; a fetch that is broken off leaves nothing behind.

    Raises:
        StartError: npm is not there or does not give it, or what it gives is not what we know.
    """
    folder = viewer_folder(data)
    mark = folder / f".{VERSION}"
    if mark.exists():
        return folder
    data.mkdir(parents=True, exist_ok=True)
    with (
        progress_console.status(f"fetching {PACKAGE} {VERSION}"),
        tempfile.TemporaryDirectory(dir=data, prefix=f"{_FOLDER}.") as temporary,
    ):
        unpacked = Path(temporary) / _FOLDER
        _unpack(_fetch(Path(temporary)), unpacked)
        (unpacked / mark.name).touch()
        shutil.rmtree(folder, ignore_errors=True)
        unpacked.replace(folder)
    return folder


def _fetch(directory: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise StartError("viewer", "npm is needed to fetch the viewer, and is not installed")
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--json", "--pack-destination", str(directory)]
    packing = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own words
    if packing.returncode != 0:
        raise StartError("viewer", "npm does not give the viewer", packing.stderr.splitlines()[-5:])
    archive = directory / json.loads(packing.stdout)[0]["filename"]
    if digest_of(archive) != _DIGEST:
        raise StartError("viewer", f"what npm gave is not {PACKAGE} {VERSION} as we know it")
    return archive


def digest_of(archive: Path) -> str:
    """Give the digest of a file as npm writes it."""
    with archive.open("rb") as file:
        return f"sha512-{base64.b64encode(hashlib.file_digest(file, 'sha512').digest()).decode()}"


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as packed:
        packed.extractall(folder, _built_files(packed), filter="data")


def _built_files(packed: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in packed:
        if member.name.startswith(_BUILT) and not member.name.endswith(".map"):
            member.name = member.name.removeprefix(_BUILT)
            yield member
