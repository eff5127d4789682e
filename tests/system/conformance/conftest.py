"""The origins of the conformance tests, and what they hold."""

from itertools import count
from pathlib import Path
from typing import Final

import httpx2
import pytest

from tests.data_sets import Identity, identity, make_series
from tests.peers import Dcmqrscp, Orthanc
from tests.system.conformance.archive import Archive, headers
from tests.system.conformance.storing import Destination, in_dcmqrscp, in_orthanc

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
        "SeriesDate",
        "SeriesDescription",
    }
)
"""Its index has fewer attributes than QIDO-RS requires; PS3.4 does not require them of a Q/R provider."""
LONGEST_UID: Final = 64
_SEEDS: Final = count(900_000)
"""Of studies that nobody has."""


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


@pytest.fixture(params=["empty", "keeper"])
def destination(request: pytest.FixtureRequest, http: httpx2.Client) -> Destination:
    """An Orthanc that is empty, and a dcmqrscp that keeps what others have stored in it."""
    if request.param == "empty":
        orthanc: Orthanc = request.getfixturevalue("empty_orthanc")
        return Destination(http, "/aets/empty", lambda: in_orthanc(orthanc))
    dcmqrscp: Dcmqrscp = request.getfixturevalue("keeper")
    return Destination(http, "/aets/keeper", lambda: in_dcmqrscp(dcmqrscp))


@pytest.fixture
def fresh(tmp_path: Path) -> list[Path]:
    """Three images of a study that nobody has."""
    return make_series(tmp_path, 3, seed=next(_SEEDS))
