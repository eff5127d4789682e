"""Orthanc behind the face, by either of its ports, to be compared with itself."""

import pytest

from isthmus.common.config import DicomwebOrigin, DimseOrigin
from isthmus.common.config.origins import AnyOrigin, Protocol
from tests.data_sets import raw_dataset
from tests.peers import Orthanc


@pytest.fixture(params=["dimse", "dicomweb"])
def origin(request: pytest.FixtureRequest, origin_name: str, orthanc: Orthanc) -> AnyOrigin:
    """Orthanc by its DIMSE port, or by its DICOMweb plugin alone."""
    pacs = orthanc.peer
    if request.param == "dimse":
        return DimseOrigin(name=origin_name, ae_title=pacs.ae_title, host=pacs.host, port=pacs.port)
    return DicomwebOrigin(
        name=origin_name,
        protocol=Protocol.DICOMWEB,
        ae_title=pacs.ae_title,
        url=f"{orthanc.url}/dicom-web",
    )


def assert_same(ours: dict[str, list[bytes]], theirs: dict[str, list[bytes]], orthanc: Orthanc) -> None:
    """See that the same came; or what Orthanc holds, which it writes anew where it sends by DIMSE."""
    assert ours.keys() == theirs.keys()
    others = {uid for uid in ours if ours[uid] != theirs[uid]}
    held = {
        one.sop_instance_uid: [raw_dataset(orthanc.file(identifier))]
        for identifier, one in orthanc.held().items()
        if one.sop_instance_uid in others
    }
    assert {uid: ours[uid] for uid in others} == held
