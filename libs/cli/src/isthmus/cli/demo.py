"""The demo PACS: pynetdicom's own `qrscp` application, filled with pydicom's sample files and a phantom.

A program of its own, run by `isthmus.cli.embedded.demo_pacs` with the configuration file of qrscp.
"""

import shutil
import sys
import warnings
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pydicom
import pynetdicom.dimse
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts
from pynetdicom.apps.qrscp import db, handlers, qrscp
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dsutils import encode
from sqlalchemy.orm import Session

from isthmus.cli.demo_queries import find, search
from isthmus.cli.phantom import phantom
from isthmus.common.dimse import install

_FOLDERS = ("test_files", "charset_files")
_SOP_CLASSES = {context.abstract_syntax for context in AllStoragePresentationContexts}
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")


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


def main() -> None:
    """Fill the archive if it is new, and serve it until the process ends."""
    warnings.simplefilter("ignore")  # some of the samples are there because they are odd
    install()
    pynetdicom.dimse.DIMSEMessage = DIMSEMessage  # type: ignore[attr-defined]  # qrscp knows no data sets in files
    configuration = ConfigParser()
    configuration.read(sys.argv[1])
    locations = configuration["DEFAULT"]
    database = Path(locations["database_location"])
    if not database.exists():
        count = fill(database, Path(locations["instance_location"]))
        print(f"holds {count} instances", flush=True)
    qrscp.handle_find = find  # type: ignore[attr-defined]  # main takes it from its module
    handlers.search = search  # type: ignore[attr-defined]  # as all its handlers do
    qrscp.main(["--config", sys.argv[1]])  # type: ignore[no-untyped-call]  # qrscp has no annotations


if __name__ == "__main__":
    main()
