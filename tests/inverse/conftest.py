"""Two ways to the same archive: Orthanc's own DIMSE port, and Isthmus before nothing but its DICOMweb."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.common.config.settings import S3
from tests.inverse.programs import Programs
from tests.inverse.pynetdicom_programs import PynetdicomPrograms
from tests.inverse.sides import Side, Sides
from tests.peers import Orthanc, Storescp
from tests.peers.dcmtk import ENVIRONMENT
from tests.system.gateway import Gateway
from tests.system.patient_data import leaks, patient_data

SETTINGS = """
[dicomweb]
ae_title = "EVERYTHING"
[[scp.destinations]]
ae_title = "{destination.ae_title}"
host = "{destination.host}"
port = {destination.port}
[[origins]]
name = "archive"
protocol = "dicomweb"
url = "{archive}/dicom-web"
ae_title = "ARCHIVE"
[[origins]]
name = "keeper"
protocol = "dicomweb"
url = "{keeper}/dicom-web"
ae_title = "KEEPER"
[[origins]]
name = "bucket"
protocol = "s3"
ae_title = "BUCKET"
endpoint = "{s3.endpoint}"
bucket = "{s3.bucket}"
access_key = "{s3.access_key}"
secret_key = "{s3.secret_key}"
prefix = "inverse"
"""


@pytest.fixture(scope="session")
def sides(
    tmp_path_factory: pytest.TempPathFactory, corpus: list[Path], _storescp: Storescp, s3_settings: S3
) -> Iterator[Sides]:
    """An archive with the corpus, whose answers are in UTF-8 on either side, and two for what is stored."""
    directory = tmp_path_factory.mktemp("inverse")
    with (
        Orthanc(
            directory / "archive",
            destinations=[_storescp.peer],
            encoding="Utf8",
            environment=ENVIRONMENT,
        ) as archive,
        Orthanc(directory / "keeper", ae_title="KEEPER", environment=ENVIRONMENT) as keeper,
        Storescp(directory / "bridged", ae_title="BRIDGED") as destination,
        PynetdicomPrograms() as pynetdicom,
    ):
        direct = Side(archive.peer, _storescp, keeper.peer)
        held = archive.load(corpus)
        urls = {"archive": archive.url, "keeper": keeper.url}
        settings = SETTINGS.format(destination=destination.peer, s3=s3_settings, **urls)
        with Gateway(directory, settings) as gateway:
            at = gateway.scp
            bridged = Side(
                at._replace(ae_title="ARCHIVE"),
                destination,
                at._replace(ae_title="KEEPER"),
            )
            yield Sides(direct, bridged, keeper, held, gateway, Programs(pynetdicom))
    assert leaks(patient_data(corpus), gateway) == set()
