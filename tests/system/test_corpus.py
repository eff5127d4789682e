"""Every file of the corpus, through the whole system, in front of Orthanc and dcmqrscp, by every method.

What is expected is what the PACS itself lists, and what a receiver that keeps every bit gets from it by C-MOVE.
"""

from typing import Final

import httpx2
import pytest
from dicomweb_client.api import DICOMwebClient

from tests.data_sets import Listing
from tests.peers import Dcmqrscp, Orthanc, Peer, Storescp, movescu
from tests.system.multipart import retrieve

PACS: Final = ("orthanc", "dcmqrscp")


@pytest.fixture(scope="module", params=PACS)
def pacs(request: pytest.FixtureRequest) -> tuple[str, Peer, Listing]:
    """A PACS: the beginning of its origins' names, where it is, and what it holds."""
    held: Orthanc | Dcmqrscp = request.getfixturevalue(request.param)
    listing = {study: series for study, series in held.listing().items() if study}
    return request.param, held.peer, listing


@pytest.fixture(scope="module")
def moved(pacs: tuple[str, Peer, Listing], _storescp: Storescp) -> dict[str, bytes]:
    """What the PACS sends by C-MOVE: data sets, byte for byte, by SOP Instance UID."""
    _, peer, listing = pacs
    _storescp.clear()
    for study in listing:
        movescu(peer, _storescp.peer.ae_title, {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study})
    received = {uid: copies[0] for uid, copies in _storescp.datasets().items()}
    _storescp.clear()
    return received


def test_the_corpus_is_large_enough(pacs: tuple[str, Peer, Listing], moved: dict[str, bytes]) -> None:
    _, __, listing = pacs
    instances = {uid for study in listing.values() for series in study.values() for uid in series}
    assert len(instances) >= {"orthanc": 160, "dcmqrscp": 120}[pacs[0]]
    assert len(moved) >= {"orthanc": 160, "dcmqrscp": 120}[pacs[0]]
    assert set(moved) <= instances


def test_search_finds_every_study_series_and_instance(
    pacs: tuple[str, Peer, Listing], http: httpx2.Client
) -> None:
    name, _, listing = pacs
    client = DICOMwebClient(f"{http.base_url}/aets/{name}-both")
    found: Listing = {}
    for study in client.search_for_studies(limit=1000):
        study_uid = study["0020000D"]["Value"][0]
        for series in client.search_for_series(study_uid):
            series_uid = series["0020000E"]["Value"][0]
            instances = client.search_for_instances(study_uid, series_uid)
            uids = {instance["00080018"]["Value"][0] for instance in instances}
            found.setdefault(study_uid, {})[series_uid] = uids
    assert found == listing


@pytest.mark.parametrize("method", ["move", "both"])
def test_every_study_arrives_whole_and_byte_for_byte(
    pacs: tuple[str, Peer, Listing], moved: dict[str, bytes], http: httpx2.Client, method: str
) -> None:
    name, _, listing = pacs
    for study, series in listing.items():
        expected = {uid for uids in series.values() for uid in uids}
        deliverable = {uid: moved[uid] for uid in expected if uid in moved}
        if not deliverable:
            continue
        received, whole = retrieve(http, f"{name}-{method}", study)
        assert received == deliverable
        assert whole == (set(deliverable) == expected)


def test_by_c_get_alone_all_that_can_come_comes_and_a_part_breaks_off(
    pacs: tuple[str, Peer, Listing], moved: dict[str, bytes], http: httpx2.Client
) -> None:
    name, _, listing = pacs
    broken = 0
    for study, series in listing.items():
        expected = {uid for uids in series.values() for uid in uids}
        if not expected & set(moved):
            continue
        received, whole = retrieve(http, f"{name}-get", study)
        assert set(received) <= expected
        assert whole == (set(received) == expected)
        broken += not whole
    assert broken <= 3


@pytest.mark.parametrize("method", ["move", "both"])
def test_metadata_of_every_study_can_be_read(
    pacs: tuple[str, Peer, Listing], moved: dict[str, bytes], http: httpx2.Client, method: str
) -> None:
    name, _, listing = pacs
    client = DICOMwebClient(f"{http.base_url}/aets/{name}-{method}")
    for study, series in listing.items():
        expected = {uid for uids in series.values() for uid in uids}
        if expected <= set(moved):
            metadata = client.retrieve_study_metadata(study)
            assert {instance["00080018"]["Value"][0] for instance in metadata} == expected
