"""The origins of the conformance tests, and what they hold."""

from pathlib import Path
from typing import Final

import pytest

from tests.data_sets import Identity, identity
from tests.peers import Dcmqrscp, Orthanc
from tests.system.conformance.archive import Archive, headers

ORIGINS: Final = ("orthanc-both", "dcmqrscp-both")
ALL: Final = "/dicomweb"
NOT_TOLD_BY_DCMQRSCP: Final = frozenset(
    {
        "BitsAllocated",
        "Columns",
        "NumberOfFrames",
        "NumberOfSeriesRelatedInstances",
        "NumberOfStudyRelatedInstances",
        "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime",
        "RequestAttributesSequence",
        "Rows",
        "SOPClassUID",
        "SeriesDescription",
    }
)
"""Its index has fewer attributes than QIDO-RS requires; PS3.4 does not require them of a Q/R provider."""
LONGEST_UID: Final = 64


@pytest.fixture(scope="session")
def archives(orthanc: Orthanc, dcmqrscp: Dcmqrscp, corpus: list[Path]) -> dict[str, Archive]:
    """What is below each root."""
    files = {stripped(identity(file)): file for file in corpus}
    in_orthanc = headers(files[stripped(who)] for who in orthanc.held().values())
    in_dcmqrscp = headers(dcmqrscp.files())
    for ds in in_dcmqrscp:
        # It gives over-long UIDs cut.
        ds.SOPInstanceUID = ds.SOPInstanceUID[:LONGEST_UID]
    found = [
        Archive("/aets/orthanc-both", in_orthanc),
        Archive("/aets/dcmqrscp-both", in_dcmqrscp, NOT_TOLD_BY_DCMQRSCP),
        Archive(ALL, [*in_orthanc, *in_dcmqrscp], NOT_TOLD_BY_DCMQRSCP),
    ]
    return {archive.root: archive for archive in found}


def stripped(who: Identity) -> Identity:
    """Without padding, which some give and some do not."""
    return Identity(*(each.strip() for each in who))


@pytest.fixture(params=ORIGINS)
def origin(request: pytest.FixtureRequest, archives: dict[str, Archive]) -> Archive:
    """What Orthanc holds, and what dcmqrscp does."""
    return archives[f"/aets/{request.param}"]


@pytest.fixture(params=[*ORIGINS, ALL])
def anywhere(request: pytest.FixtureRequest, archives: dict[str, Archive]) -> Archive:
    """The same, and what there is at all origins at once."""
    return archives[request.param if request.param == ALL else f"/aets/{request.param}"]
