"""The demo PACS: pynetdicom's own `qrscp` application, filled with pydicom's sample files and a phantom.

A program of its own, run by `isthmus.cli.embedded.demo_pacs` with the configuration file of qrscp.
"""

import shutil
import sys
import warnings
from configparser import ConfigParser
from pathlib import Path

import pynetdicom.dimse
from pynetdicom.apps.qrscp import db, handlers, qrscp
from pynetdicom.dimse_messages import DIMSEMessage
from sqlalchemy.orm import Session

from isthmus.cli.demo_queries import find, search
from isthmus.cli.phantom import phantom
from isthmus.cli.samples import samples
from isthmus.common.dimse import install


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
