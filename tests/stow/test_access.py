"""Storing and deleting under rules: only where one may, at all origins at once too."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from isthmus.common.auth import Permit, Policy, Principal, Right
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, subjects
from isthmus.common.config import Settings
from isthmus.common.config.access import StudyFilter
from isthmus.common.dicom.levels import Level
from isthmus.common.messages import Delete, Deleted
from isthmus.common.service import Parts
from isthmus.common.service.server import application
from isthmus.stow.app import routes
from tests.common.access.faces import by_header
from tests.data_sets import identity
from tests.qido.pacs import Pacs, attributes
from tests.stow.worker import Employ, stores
from tests.wado.serving import client_of

SINGLE = {"Content-Type": "application/dicom"}
ORIGIN = {"protocol": "dimse", "ae_title": "PACS", "host": "127.0.0.1", "port": 104}


@pytest.fixture
def default() -> str | None:
    """The setting `dicomweb.store`."""
    return None


@pytest.fixture
async def http(
    bus: Bus, blobs: BlobStore, origin_name: str, default: str | None
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a stow that knows three origins; it is whoever the header X-User says."""
    rules = [
        {"user": "here", "origins": [origin_name], "operations": ["store"]},
        {"user": "elsewhere", "origins": ["one", "two"], "operations": ["store"]},
        {"user": "elsewhere", "origins": [origin_name], "operations": ["search"]},
        {"user": "all", "operations": ["store"]},
        {"user": "reader", "operations": ["search", "retrieve"]},
    ]
    origins = [{**ORIGIN, "name": name} for name in ("one", origin_name, "two")]
    store = origin_name if default == "here" else default
    settings = Settings.model_validate(
        {"origins": origins, "access": {"rules": rules}, "dicomweb": {"store": store}}
    )
    async with client_of(Parts(settings, bus, blobs), routes, authenticate=by_header()) as client:
        yield client


async def test_goes_to_the_only_origin_where_one_may(
    http: httpx2.AsyncClient, employ: Employ, origin_name: str, series: list[Path]
) -> None:
    employ(stores)
    response = await http.post(
        "/dicomweb/studies", content=series[0].read_bytes(), headers={**SINGLE, "X-User": "here"}
    )
    assert response.status_code == 200
    path = f"/aets/{origin_name}/studies/{identity(series[0]).study_instance_uid}"
    assert response.json()["00081190"]["Value"] == [str(http.base_url.join(path))]


@pytest.mark.parametrize(("user", "status"), [("elsewhere", 501), ("all", 501), ("reader", 403), ("", 401)])
async def test_goes_nowhere_where_it_is_not_said_to_which_of_several(
    http: httpx2.AsyncClient, series: list[Path], user: str, status: int
) -> None:
    response = await http.post(
        "/dicomweb/studies", content=series[0].read_bytes(), headers={**SINGLE, "X-User": user}
    )
    assert response.status_code == status


@pytest.mark.parametrize("default", ["here"])
async def test_goes_where_it_is_set_if_one_may(
    http: httpx2.AsyncClient, employ: Employ, origin_name: str, series: list[Path]
) -> None:
    employ(stores)
    for user, status in (("here", 200), ("all", 200), ("elsewhere", 403), ("reader", 403)):
        response = await http.post(
            "/dicomweb/studies", content=series[0].read_bytes(), headers={**SINGLE, "X-User": user}
        )
        assert response.status_code == status, user
        if status == 403:
            assert origin_name not in response.text


async def test_an_origin_where_one_may_nothing_is_not_there(
    http: httpx2.AsyncClient, origin_name: str, series: list[Path]
) -> None:
    for user, name, status in (
        ("here", "one", 404),
        ("here", "nowhere", 404),
        ("elsewhere", origin_name, 403),
        ("reader", "one", 403),
    ):
        response = await http.post(
            f"/aets/{name}/studies", content=series[0].read_bytes(), headers={**SINGLE, "X-User": user}
        )
        assert response.status_code == status, (user, name)


async def test_nothing_is_deleted_of_a_study_that_one_may_not_see(
    bus: Bus, blobs: BlobStore, origin_name: str
) -> None:
    # Rules cannot say so yet: whoever deletes may delete all. What is decided is kept all the same.
    class OfCt(Policy):
        def require(self, principal: Principal, right: Right, origin: str) -> Permit:
            return Permit((StudyFilter.model_validate({"modality": ["CT"]}),))

    asked = []

    async def delete(job: Delete) -> Deleted:
        asked.append(job.study)
        return Deleted(1)

    pacs = Pacs()
    pacs.matches[Level.STUDY] += [
        attributes(StudyInstanceUID="1.2", ModalitiesInStudy="CT"),
        attributes(StudyInstanceUID="1.3", ModalitiesInStudy="MR"),
    ]
    await pacs.serve(bus, origin_name)
    await bus.serve(subjects.delete(origin_name), "workers", delete, Delete)
    rules = [{"user": "all", "operations": ["delete"]}]
    inbox = {"name": origin_name, "protocol": "inbox", "ae_title": "INBOX"}
    settings = Settings.model_validate({"origins": [inbox], "access": {"rules": rules}})
    parts = Parts(settings, bus, blobs)
    async with parts.closing:
        app = application(
            routes(parts), policy=OfCt(settings.access.rules, [origin_name]), authenticate=by_header()
        )
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as http:
            for study, status in (("1.2", 204), ("1.3", 404), ("1.4", 404)):
                for path in ("", "/series/1"):
                    url = f"/aets/{origin_name}/studies/{study}{path}"
                    assert (await http.delete(url, headers={"X-User": "all"})).status_code == status
    assert asked == ["1.2", "1.2"]
