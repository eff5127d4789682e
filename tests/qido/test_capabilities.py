"""OPTIONS of a service root (PS3.18 8.9): what there is, in the forms of Annex H."""

import xml.etree.ElementTree as ET

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Inbox, Settings
from isthmus.common.config.origins import Protocol
from isthmus.common.dicomweb.transactions import DELETIONS, TRANSACTIONS
from isthmus.common.service import Parts
from isthmus.common.service.server import application
from isthmus.qido import routes

WADL = "{http://wadl.dev.java.net/2009/02}"


async def described(gateway: httpx2.AsyncClient, path: str) -> ET.Element:
    response = await gateway.options(path)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/vnd.sun.wadl+xml"
    return ET.fromstring(response.content)


async def test_it_is_wadl_below_the_url_by_which_the_client_came(
    gateway: httpx2.AsyncClient, origin_name: str
) -> None:
    application = await described(gateway, f"/aets/{origin_name}")
    (resources,) = application
    assert (application.tag, resources.tag) == (f"{WADL}application", f"{WADL}resources")
    assert resources.get("base") == f"http://gateway:8080/aets/{origin_name}/"


@pytest.mark.parametrize("path", ["/", "/dicomweb"])
async def test_the_root_is_that_of_all_origins(gateway: httpx2.AsyncClient, path: str) -> None:
    (resources,) = await described(gateway, path)
    assert resources.get("base") == "http://gateway:8080/dicomweb/"


async def test_each_transaction_is_there_with_its_media_types_and_parameters(
    gateway: httpx2.AsyncClient,
) -> None:
    application = await described(gateway, "/dicomweb")
    methods = {
        (resource.get("path"), method.get("name")): method
        for resource in application.iter(f"{WADL}resource")
        for method in resource.findall(f"{WADL}method")
    }
    assert len(methods) == len(TRANSACTIONS) - len(DELETIONS)
    search = methods["studies", "GET"]
    accept, *queries = search.findall(f"{WADL}request/{WADL}param")
    assert accept.get("default") == "application/dicom+json"
    assert {query.get("name") for query in queries} >= {"limit", "offset", "includefield", "fuzzymatching"}
    store = methods["studies", "POST"]
    takes = {each.get("mediaType") for each in store.findall(f"{WADL}request/{WADL}representation")}
    assert 'multipart/related; type="application/dicom"' in takes
    instance = "studies/{study}/series/{series}/instances/{instance}"
    assert (f"{instance}/bulkdata/{{path}}", "GET") in methods


async def test_the_same_is_there_in_json(gateway: httpx2.AsyncClient) -> None:
    response = await gateway.options("/dicomweb", headers={"Accept": "application/json"})
    assert response.headers["Content-Type"] == "application/json"
    (resources,) = response.json()["application"]["resources"]
    paths = {resource["path"] for resource in resources["resource"]}
    assert len(paths) == len({transaction.path for transaction in TRANSACTIONS})


@pytest.mark.parametrize(("path", "allowed"), [("/dicomweb", "OPTIONS"), ("/", "OPTIONS")])
async def test_they_allow_what_there_is(gateway: httpx2.AsyncClient, path: str, allowed: str) -> None:
    assert (await gateway.options(path)).headers["Allow"] == allowed
    response = await gateway.get(path)
    assert (response.status_code, response.headers["Allow"]) == (405, allowed)


async def test_other_media_types_are_406_and_other_origins_404(gateway: httpx2.AsyncClient) -> None:
    response = await gateway.options("/dicomweb", headers={"Accept": "text/html"})
    assert response.status_code == 406
    assert response.json()["available"] == ["application/vnd.sun.wadl+xml", "application/json"]
    assert (await gateway.options("/aets/nobody")).status_code == 404


async def test_from_an_inbox_alone_something_can_be_deleted(bus: Bus, unused_blobs: BlobStore) -> None:
    inbox = Inbox(name="inbox", protocol=Protocol.INBOX, ae_title="INBOX")
    pacs = DimseOrigin(name="pacs", ae_title="PACS", port=104)
    transport = httpx2.ASGITransport(
        application(routes(Parts(Settings(origins=(inbox, pacs)), bus, unused_blobs)))
    )
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as gateway:
        deletable = {each.path[1:] for each in DELETIONS}
        for path, expected in (("/aets/inbox", deletable), ("/aets/pacs", set())):
            found = {
                resource.get("path")
                for resource in (await described(gateway, path)).iter(f"{WADL}resource")
                for method in resource.findall(f"{WADL}method")
                if method.get("name") == "DELETE"
            }
            assert found == expected
