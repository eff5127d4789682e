"""The demo PACS: pynetdicom's own `qrscp` application, filled with pydicom's sample files and a phantom.

A program of its own, run by `isthmus.cli.embedded.demo_pacs` with the configuration file of qrscp.
"""

import shutil
import sys
import warnings
from collections.abc import Generator, Iterator
from configparser import ConfigParser
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts
from pynetdicom.apps.qrscp import db, handlers, qrscp
from pynetdicom.dsutils import encode
from pynetdicom.events import Event
from sqlalchemy.orm import Session

from isthmus.cli.phantom import phantom
from isthmus.common.dimse import install

_FOLDERS = ("test_files", "charset_files")
_SOP_CLASSES = {context.abstract_syntax for context in AllStoragePresentationContexts}
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_UNIQUE_KEYS = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}


def fill(database: Path, instances: Path) -> int:
    """Make the database and give it pydicom's sample files and a phantom; how many instances they are."""
    instances.mkdir(parents=True, exist_ok=True)
    unfinished = database.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    engine = db.create(f"sqlite:///{unfinished}")  # type: ignore[no-untyped-call]  # qrscp has no annotations
    held = set()
    with Session(engine) as session:
        for path, ds in samples():
            if ds.SOPInstanceUID not in held:
                held.add(ds.SOPInstanceUID)
                kept = instances / ds.SOPInstanceUID
                shutil.copyfile(path, kept)
                db.add_instance(ds, session, str(kept))  # type: ignore[no-untyped-call]  # qrscp has no annotations
        for ds in phantom():
            held.add(ds.SOPInstanceUID)
            kept = instances / ds.SOPInstanceUID
            ds.save_as(kept)
            db.add_instance(ds, session, str(kept))  # type: ignore[no-untyped-call]  # qrscp has no annotations
    engine.dispose()
    unfinished.replace(database)
    return len(held)


def samples() -> Iterator[tuple[Path, FileDataset]]:
    """Give pydicom's sample files that qrscp can both list and send, with what they hold."""
    data = Path(pydicom.__file__).parent / "data"
    for path in sorted(path for folder in _FOLDERS for path in (data / folder).rglob("*") if path.is_file()):
        try:
            ds = pydicom.dcmread(path)
        except InvalidDicomError:
            continue
        if _can_be_served(ds):
            yield path, ds


def _can_be_served(ds: FileDataset) -> bool:
    if not all(ds.get(keyword) and ds[keyword].value.is_valid for keyword in _UIDS) or not ds.get(
        "PatientID"
    ):
        return False
    syntax = ds.file_meta.get("TransferSyntaxUID")
    if ds.SOPClassUID not in _SOP_CLASSES or syntax not in ALL_TRANSFER_SYNTAXES:
        return False
    # qrscp answers without a Specific Character Set.
    if not str(ds.get("PatientName", "")).isascii():
        return False
    return encode(ds, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated) is not None


def find_once(event: Event, *arguments: object) -> Generator[tuple[int, Dataset | None], None, None]:
    """Answer C-FIND with each study and series once, which qrscp repeats for each of its instances."""
    answered = set()
    for status, identifier in handlers.handle_find(event, *arguments):  # type: ignore[no-untyped-call]  # qrscp has no annotations
        if identifier is not None:
            unique = identifier.get(_UNIQUE_KEYS[identifier.QueryRetrieveLevel])
            if unique in answered:
                continue
            answered.add(unique)
        yield status, identifier


def main() -> None:
    """Fill the archive if it is new, and serve it until the process ends."""
    warnings.simplefilter("ignore")  # some of the samples are there because they are odd
    install()
    configuration = ConfigParser()
    configuration.read(sys.argv[1])
    locations = configuration["DEFAULT"]
    database = Path(locations["database_location"])
    if not database.exists():
        count = fill(database, Path(locations["instance_location"]))
        print(f"holds {count} instances", flush=True)
    qrscp.handle_find = find_once  # type: ignore[attr-defined]  # main takes it from its module
    qrscp.main(["--config", sys.argv[1]])  # type: ignore[no-untyped-call]  # qrscp has no annotations


if __name__ == "__main__":
    main()
