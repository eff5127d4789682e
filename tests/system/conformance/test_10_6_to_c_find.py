"""What a search asks of a DIMSE origin (PS3.4 C.4.1), seen by a PACS that tells what it was asked."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Final

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.config.settings import Search
from isthmus.common.service import Parts
from isthmus.common.service.server import application
from isthmus.dimse_scu.worker import worker
from isthmus.qido import routes
from tests.data_sets import Identity, identity, make_series
from tests.pacs import Event, FaultyPacs, IgnoresMatchingKeys, LeavesOut, Operation
from tests.system.conformance.answers import Match, all_values, matches, value, values

STUDIES: Final = 4
CAP: Final = 3
"""Studies that one search looks into, at most."""


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> list[Identity]:
    """Studies of one series with two images each."""
    return []


@pytest.fixture(scope="module")
def _pacs(tmp_path_factory: pytest.TempPathFactory, held: list[Identity]) -> Iterator[FaultyPacs]:
    directory = tmp_path_factory.mktemp("asked")
    files = [file for seed in range(STUDIES) for file in make_series(directory, 2, seed=seed)]
    held.extend(map(identity, files))
    with FaultyPacs(files) as pacs:
        yield pacs


@pytest.fixture
def pacs(_pacs: FaultyPacs) -> FaultyPacs:
    return _pacs.renewed()


@pytest.fixture
async def http(
    bus: Bus, blobs: BlobStore, pacs: FaultyPacs, origin_name: str
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the searches of this origin."""
    origin = DimseOrigin(
        name=origin_name, ae_title=pacs.peer.ae_title, port=pacs.peer.port, character_set="ISO_IR 192"
    )
    parts = Parts(Settings(origins=(origin,), search=Search(max_parents=CAP)), bus, blobs)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(worker(parts))
        transport = httpx2.ASGITransport(application(routes(parts)))
        base = f"http://gateway/aets/{origin_name}/"
        yield await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url=base))


async def found(http: httpx2.AsyncClient, url: str) -> list[Match]:
    return matches(await http.get(url))


def asked(pacs: FaultyPacs) -> list[Event]:
    """The queries, but for that which asks whether the origin tells what is online."""
    queries = pacs.operations(Operation.FIND)
    return [query for query in queries if set(query.keys) != {"StudyInstanceUID", "InstanceAvailability"}]


async def test_c_4_1_2_1_the_levels_of_a_path_are_unique_keys_of_one_query(
    http: httpx2.AsyncClient, pacs: FaultyPacs, held: list[Identity]
) -> None:
    """Study Root; /studies is level STUDY, /series SERIES, /instances IMAGE."""
    who = held[0]
    assert len(await found(http, "studies")) == STUDIES
    path = f"studies/{who.study_instance_uid}/series"
    assert len(await found(http, path)) == 1
    assert len(await found(http, f"{path}/{who.series_instance_uid}/instances")) == 2
    queries = asked(pacs)
    assert [query.level for query in queries] == ["STUDY", "SERIES", "IMAGE"]
    assert queries[1].keys["StudyInstanceUID"] == who.study_instance_uid
    assert queries[2].keys["StudyInstanceUID"] == who.study_instance_uid
    assert queries[2].keys["SeriesInstanceUID"] == who.series_instance_uid


async def test_c_4_1_2_2_1_no_query_lacks_the_unique_keys_above_it(
    http: httpx2.AsyncClient, pacs: FaultyPacs, held: list[Identity]
) -> None:
    """Relational queries are not negotiated: All Series and All Instances fan out from above."""
    wanted = ",".join({who.study_instance_uid for who in held[: 2 * CAP]})
    assert len(await found(http, f"instances?StudyInstanceUID={wanted}")) == 2 * CAP
    for query in asked(pacs):
        above = {"STUDY": (), "SERIES": ("StudyInstanceUID",)}.get(
            query.level, ("StudyInstanceUID", "SeriesInstanceUID")
        )
        assert all(query.keys[keyword] for keyword in above)
    assert [query.level for query in asked(pacs)].count("IMAGE") == CAP


@pytest.mark.parametrize("resource", ["series", "instances"])
async def test_c_4_1_2_2_1_a_search_that_is_too_wide_is_413(http: httpx2.AsyncClient, resource: str) -> None:
    assert (await http.get(resource)).status_code == 413
    assert len(await found(http, f"{resource}?limit=1")) == 1


async def test_c_2_2_2_ranges_and_wild_cards_are_sent_as_they_are(
    http: httpx2.AsyncClient, pacs: FaultyPacs
) -> None:
    """A date and a time each for itself: combined matching is not negotiated."""
    url = "studies?StudyDate=20240101-20241231&StudyTime=10-11&PatientID=IMPL*"
    assert len(await found(http, url)) == STUDIES
    (query,) = asked(pacs)
    assert query.keys["StudyDate"] == "20240101-20241231"
    assert query.keys["StudyTime"] == "10-11"
    assert query.keys["PatientID"] == "IMPL*"


@pytest.mark.parametrize(
    ("key", "count"),
    [
        ("PatientAge=050-060", STUDIES),
        ("PatientAge=001-020", 0),
        ("PatientName=implant&fuzzymatching=true", STUDIES),
        ("PatientName=nobody&fuzzymatching=true", 0),
        ("StudyDescription=%22%22&emptyvaluematching=true", 0),
        ("PatientSex=M,O", STUDIES),
    ],
)
async def test_c_5_1_1_what_was_not_negotiated_is_matched_here(
    http: httpx2.AsyncClient, pacs: FaultyPacs, key: str, count: int
) -> None:
    """Ranges of ages, names by their beginning, empty values, lists: sent is what matches everything."""
    assert len(await found(http, f"studies?{key}")) == count
    assert asked(pacs)[0].keys[key.partition("=")[0]] == ""


async def test_c_2_2_1_3_what_the_origin_does_not_match_is_matched_here(
    http: httpx2.AsyncClient, pacs: FaultyPacs
) -> None:
    """It ignores optional keys, and some ignore required ones."""
    pacs.behave(IgnoresMatchingKeys())
    assert all_values(await found(http, "studies?PatientID=IMPLANTED-1"), "PatientID") == {"IMPLANTED-1"}
    assert await found(http, "studies?PatientBirthDate=19710101&ModalitiesInStudy=CT") == []


async def test_table_10_6_3_3_what_the_origin_leaves_out_of_studies_is_asked_of_their_series(
    http: httpx2.AsyncClient, pacs: FaultyPacs
) -> None:
    """ModalitiesInStudy and the numbers; and they are matched by it."""
    pacs.behave(
        LeavesOut(
            keywords=(
                "ModalitiesInStudy",
                "NumberOfStudyRelatedSeries",
                "NumberOfStudyRelatedInstances",
                "PatientBirthDate",
            )
        )
    )
    for match in await found(http, "studies?limit=2"):
        assert values(match, "ModalitiesInStudy") == ["CT"]
        assert values(match, "NumberOfStudyRelatedSeries") == [1]
        assert values(match, "NumberOfStudyRelatedInstances") == [2]
        assert match["00100030"] == {"vr": "DA"}
    assert len(await found(http, "studies?ModalitiesInStudy=CT")) == STUDIES
    assert await found(http, "studies?ModalitiesInStudy=MR") == []


async def test_c_4_1_1_3_1_the_query_is_in_the_character_set_of_the_origin(
    http: httpx2.AsyncClient, pacs: FaultyPacs
) -> None:
    """Its setting; the answer is UTF-8 whatever the origin's is."""
    (match,) = await found(http, "studies?PatientName=Implanted%5EM%C3%BCller 1")
    assert value(match, "PatientName") == "Implanted^Müller 1"
    (query,) = asked(pacs)
    assert query.keys["SpecificCharacterSet"] == "ISO_IR 192"
    assert query.keys["PatientName"] == "Implanted^Müller 1"
    assert "00080005" not in match


@pytest.mark.parametrize("field", ["RetrieveURL", "TimezoneOffsetFromUTC"])
async def test_c_4_1_1_3_1_what_no_origin_knows_is_not_asked(
    http: httpx2.AsyncClient, pacs: FaultyPacs, field: str
) -> None:
    """RetrieveURL is made here; a time zone needs its adjustment to be negotiated. Both cannot be matched."""
    assert len(await found(http, f"studies?includefield={field}")) == STUDIES
    assert all(field not in query.keys for query in asked(pacs))
    response = await http.get(f"studies?{field}=x")
    assert (response.status_code, response.json()["parameter"]) == (400, field)
