"""What a DIMSE origin says to C-STORE, as a client of STOW-RS gets it (PS3.18 I.2.1, I.2.2; PS3.4 B.2.3)."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.service import Parts
from isthmus.common.service.server import application
from isthmus.dimse_scu.worker import worker
from isthmus.stow.app import routes
from tests.data_sets import identity, make_series
from tests.pacs import FaultyPacs, Operation, StoreStatus
from tests.system.conformance.answers import Match, keywords, value, values
from tests.system.multipart import PAYLOAD, payload
from tests.waiting import PATIENCE


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_series(tmp_path_factory.mktemp("stored"), 2)


@pytest.fixture(scope="module")
def _pacs() -> Iterator[FaultyPacs]:
    with FaultyPacs() as pacs:
        yield pacs


@pytest.fixture
def pacs(_pacs: FaultyPacs) -> FaultyPacs:
    return _pacs.renewed()


@pytest.fixture
async def http(
    bus: Bus, blobs: BlobStore, pacs: FaultyPacs, origin_name: str
) -> AsyncIterator[httpx2.AsyncClient]:
    origin = DimseOrigin(name=origin_name, ae_title=pacs.peer.ae_title, port=pacs.peer.port)
    parts = Parts(Settings(origins=(origin,)), bus, blobs)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(parts.closing)
        await stack.enter_async_context(worker(parts))
        transport = httpx2.ASGITransport(application(routes(parts)))
        base = f"http://gateway/aets/{origin_name}/"
        yield await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url=base))


async def stored(http: httpx2.AsyncClient, files: list[Path]) -> httpx2.Response:
    content = payload(file.read_bytes() for file in files)
    return await http.post("studies", content=content, headers={"Content-Type": PAYLOAD}, timeout=PATIENCE)


@pytest.mark.parametrize("status", [0xB000, 0xB006, 0xB007])
async def test_i_2_1_a_warning_is_the_warning_reason_of_what_is_stored(
    http: httpx2.AsyncClient, pacs: FaultyPacs, files: list[Path], status: int
) -> None:
    """B000 coercion, B006 elements discarded, B007 data set does not match the SOP Class: 202."""
    pacs.behave(StoreStatus(status=status))
    response = await stored(http, files)
    assert response.status_code == 202
    module: Match = response.json()
    items = values(module, "ReferencedSOPSequence")
    assert [values(item, "WarningReason") for item in items] == [[status]] * 2
    assert "FailedSOPSequence" not in keywords(module)
    assert f"{status:04X}" in response.headers["Warning"]


@pytest.mark.parametrize("status", [0x0110, 0x0124, 0xA900, 0xC000, 0xC1FF])
async def test_i_2_2_a_failure_is_the_failure_reason_of_what_is_not(
    http: httpx2.AsyncClient, pacs: FaultyPacs, files: list[Path], status: int
) -> None:
    """A9xx data set and SOP Class, Cxxx cannot understand, 0110 processing: as the origin said it."""
    refused, taken = (identity(file).sop_instance_uid for file in files)
    pacs.behave(StoreStatus(status=status, instances=[refused]))
    response = await stored(http, files)
    assert response.status_code == 202
    (failed,) = values(response.json(), "FailedSOPSequence")
    assert value(failed, "ReferencedSOPInstanceUID") == refused
    assert values(failed, "FailureReason") == [status]
    (item,) = values(response.json(), "ReferencedSOPSequence")
    assert value(item, "ReferencedSOPInstanceUID") == taken


async def test_i_2_2_out_of_resources_for_all_is_503_and_says_when_to_come_back(
    http: httpx2.AsyncClient, pacs: FaultyPacs, files: list[Path]
) -> None:
    """A7xx."""
    pacs.behave(StoreStatus(status=0xA700))
    response = await stored(http, files)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    reasons = [values(item, "FailureReason") for item in values(response.json(), "FailedSOPSequence")]
    assert reasons == [[0xA700]] * 2


async def test_10_5_3_the_answer_waits_for_the_origin(
    http: httpx2.AsyncClient, pacs: FaultyPacs, files: list[Path]
) -> None:
    """200 is that each C-STORE had its response."""
    pacs.behave()
    assert (await stored(http, files)).status_code == 200
    assert len(pacs.operations(Operation.STORE)) == 2
