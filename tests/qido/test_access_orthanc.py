"""What is seen of an archive that nobody here wrote, by the attributes of the files that are in it."""

import warnings
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pydicom
import pytest
from starlette.requests import HTTPConnection

from isthmus.common.access.studies import Studies
from isthmus.common.auth import Kind, Permit, Policy, Principal
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DicomwebOrigin, DimseOrigin, Protocol, Settings
from isthmus.common.config.access import StudyFilter
from isthmus.common.service import Parts
from isthmus.common.service.server import application
from isthmus.dimse_scu.worker import worker as dimse_scu
from isthmus.qido import routes
from isthmus.web_scu.worker import worker as web_scu
from tests.peers import Orthanc
from tests.qido.pacs import value_of
from tests.waiting import PATIENCE

FILTERS: Mapping[str, Mapping[str, object]] = {
    "one modality": {"modality": ["CT"]},
    "several modalities": {"modality": ["MR", "US", "RTPLAN"]},
    "a date window": {"since": "2004-01-01", "until": "2010-12-31"},
    "an accession prefix": {"accession_prefix": ["2", "0"]},
    "two at once": {"modality": ["CT", "MR"], "until": "2004-12-31"},
}


_JUDGED = ("StudyDate", "AccessionNumber", "Modality", "InstitutionName")


@pytest.fixture(params=["dimse", "dicomweb"])
async def archive(
    bus: Bus, blobs: BlobStore, orthanc: Orthanc, origin_name: str, request: pytest.FixtureRequest
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of Orthanc's searches, whose user is named as the filter of his rule.

    It allows one association: a search, and what is asked about its matches, must not wait for each other.
    """
    origin: DimseOrigin | DicomwebOrigin
    if request.param == "dimse":
        peer = orthanc.peer
        origin = DimseOrigin(name=origin_name, ae_title=peer.ae_title, port=peer.port, associations=1)
        worker = dimse_scu
    else:
        url = f"{orthanc.url}/dicom-web"
        origin = DicomwebOrigin(name=origin_name, protocol=Protocol.DICOMWEB, ae_title="CLOUD", url=url)
        worker = web_scu
    rules = [
        {"user": name, "operations": ["search"], "studies": wanted} for name, wanted in FILTERS.items()
    ] + [{"user": "jfk", "operations": ["search"], "studies": {"institution": ["jfk imaging center"]}}]
    settings = Settings.model_validate({"origins": [origin], "access": {"rules": rules}})

    async def by_header(connection: HTTPConnection) -> Principal:
        return Principal(Kind.USER, connection.headers["x-user"])

    parts = Parts(settings, bus, blobs)
    transport = httpx2.ASGITransport(
        application(routes(parts), policy=Policy.of(settings), authenticate=by_header)
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(worker(parts))
        yield await stack.enter_async_context(
            httpx2.AsyncClient(
                transport=transport, base_url=f"http://gateway/aets/{origin_name}/", timeout=PATIENCE
            )
        )


def _said(file: Path) -> dict[str, str]:
    keywords = ("SOPInstanceUID", "StudyInstanceUID", *_JUDGED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of them are as wrong as files can be
        ds = pydicom.dcmread(file, stop_before_pixels=True, force=True)
        return {keyword: str(ds.get(keyword) or "") for keyword in keywords}


@pytest.fixture(scope="session")
def told(corpus: list[Path], orthanc: Orthanc) -> Mapping[str, Mapping[str, set[str]]]:
    """What the files say of each study that Orthanc has, by keyword."""
    there = {
        instance
        for series in orthanc.listing().values()
        for instances in series.values()
        for instance in instances
    }
    studies: dict[str, dict[str, set[str]]] = {}
    for said in map(_said, corpus):
        if said["SOPInstanceUID"] in there:
            study = studies.setdefault(said["StudyInstanceUID"], {keyword: set() for keyword in said})
            for keyword, text in said.items():
                study[keyword].add(text)
    return studies


def verdict(wanted: StudyFilter, told: Mapping[str, set[str]]) -> bool | None:
    """Tell by the files whether a study is seen; None where they do not agree about the study."""
    if len(told["StudyDate"]) > 1 or len(told["AccessionNumber"]) > 1:
        return None
    (day,), (number,) = told["StudyDate"], told["AccessionNumber"]
    since, until = ("" if end is None else f"{end:%Y%m%d}" for end in (wanted.since, wanted.until))
    return (
        (not wanted.modality or not wanted.modality.isdisjoint(told["Modality"]))
        and (not wanted.accession_prefix or number.startswith(wanted.accession_prefix))
        and (not since or (bool(day) and since <= day))
        and (not until or (bool(day) and day <= until))
    )


async def seen(archive: httpx2.AsyncClient, user: str, url: str = "studies") -> list[str]:
    response = await archive.get(url, headers={"X-User": user})
    assert response.status_code == 200, response.text
    return [str(value_of(match, "StudyInstanceUID")) for match in response.json()]


@pytest.mark.parametrize("name", FILTERS)
async def test_each_sees_what_his_rule_names_and_nothing_else(
    archive: httpx2.AsyncClient,
    bus: Bus,
    origin_name: str,
    orthanc: Orthanc,
    told: Mapping[str, Mapping[str, set[str]]],
    name: str,
) -> None:
    wanted = StudyFilter.model_validate(FILTERS[name])
    found = await seen(archive, name)
    agreed = {uid: verdict(wanted, told[uid]) for uid in orthanc.listing() if uid in told}
    expected = {uid for uid, is_seen in agreed.items() if is_seen}
    assert expected
    assert {uid for uid in found if agreed.get(uid) is not None} == expected
    # What is in no list is not there for a retrieve either.
    studies = Studies(bus, 60)
    for uid in orthanc.listing():
        assert await studies.sees(Permit((wanted,)), origin_name, uid) == (uid in found)


async def test_an_institution_that_may_be_told_by_series_alone(
    archive: httpx2.AsyncClient, told: Mapping[str, Mapping[str, set[str]]]
) -> None:
    expected = {
        uid
        for uid, one in told.items()
        if any(name.casefold() == "jfk imaging center" for name in one["InstitutionName"])
    }
    assert expected
    assert {*await seen(archive, "jfk")} == expected


async def test_series_are_those_of_the_studies_that_one_sees(
    archive: httpx2.AsyncClient, orthanc: Orthanc
) -> None:
    studies: Sequence[str] = await seen(archive, "one modality")
    assert {*await seen(archive, "one modality", "series")} == {*studies}
    hidden = next(uid for uid in orthanc.listing() if uid not in studies)
    assert await seen(archive, "one modality", f"studies/{hidden}/series") == []
    assert len(await seen(archive, "one modality", f"studies/{studies[0]}/series")) > 0
