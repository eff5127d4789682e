"""What is stored below /dicomweb goes to one of the origins."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.config.settings import Dicomweb
from isthmus.common.service import Parts
from isthmus.stow.app import routes
from tests.data_sets import identity
from tests.stow.worker import Employ, stores
from tests.wado.serving import client_of

SINGLE = {"Content-Type": "application/dicom"}

Client = Callable[[str | None, list[str]], AbstractAsyncContextManager[httpx2.AsyncClient]]


@pytest.fixture
def client(bus: Bus, blobs: BlobStore) -> Client:
    """Makes a client of a stow with a setting of `dicomweb.store` and these origins."""

    @asynccontextmanager
    async def make(default: str | None, names: list[str]) -> AsyncIterator[httpx2.AsyncClient]:
        origins = tuple(DimseOrigin(name=name, ae_title="PACS", port=104) for name in names)
        # Settings that are loaded name an origin that there is; without origins in them there is the demo.
        settings = Settings(dicomweb=Dicomweb(store=default)).model_copy(update={"origins": origins})
        parts = Parts(settings, bus, blobs)
        async with client_of(parts, routes, "/dicomweb/") as http:
            yield http

    return make


@pytest.mark.parametrize("is_set", [True, False], ids=["as set", "the only one"])
async def test_it_is_stored_and_found_at_that_origin(
    client: Client, employ: Employ, origin_name: str, series: list[Path], is_set: bool
) -> None:
    employ(stores)
    names = ["other", origin_name] if is_set else [origin_name]
    async with client(origin_name if is_set else None, names) as http:
        response = await http.post("studies", content=series[0].read_bytes(), headers=SINGLE)
        study = identity(series[0]).study_instance_uid
        url = http.base_url.join(f"/aets/{origin_name}/studies/{study}")
        assert response.status_code == 200
        assert response.json()["00081190"]["Value"] == [str(url)]
        response = await http.post(f"studies/{study}", content=series[1].read_bytes(), headers=SINGLE)
        assert response.status_code == 200


@pytest.mark.parametrize(
    ("default", "names"), [(None, ["a", "b"]), (None, []), ("demo", ["a", "b"]), ("demo", ["a"])]
)
async def test_it_is_refused_where_no_origin_is_set(
    client: Client, series: list[Path], default: str | None, names: list[str]
) -> None:
    async with client(default, names) as http:
        response = await http.post("studies", content=series[0].read_bytes(), headers=SINGLE)
    assert response.status_code == 501
    assert response.json()["type"] == "urn:isthmus:problem:no-destination"
    assert "dicomweb.store" in response.json()["detail"]
