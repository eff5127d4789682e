"""Relational queries, and fuzzy matching where it was negotiated (PS3.4 C.5.1.1)."""

import pytest

from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.messages import Query
from isthmus.common.service import Parts
from isthmus.scp.worker import Server, serving
from tests.scp.find.conftest import Played, ask, request
from tests.scp.find.test_find import attributes, key

pytestmark = pytest.mark.anyio

RELATIONAL = b"\1\0\0"
FUZZY = b"\0\0\1"
STUDIES = {"1.1": "Doe", "1.2": "Roe"}


def archive(query: Query) -> list[DicomJson]:
    """Two studies, each with two series."""
    if query.level is Level.STUDY:
        return [attributes(StudyInstanceUID=uid, PatientName=name) for uid, name in STUDIES.items()]
    study = next(one.values[0] for one in query.keys if one.path == ("0020000D",))
    return [attributes(SeriesInstanceUID=f"{study}.{number}", SeriesNumber=number) for number in (1, 2)]


@pytest.mark.parametrize("extended", [RELATIONAL, b""], ids=["negotiated", "not negotiated"])
async def test_a_relational_query_goes_through_the_levels_above(
    server: Server, played: Played, extended: bytes
) -> None:
    played.answer = archive
    answer = await ask(
        server,
        request("SERIES", SeriesInstanceUID="", SeriesNumber="", PatientName="*oe", StudyInstanceUID=""),
        extended=extended,
    )
    assert answer.status == 0x0000
    assert {
        (str(told.PatientName), told.StudyInstanceUID, told.SeriesInstanceUID) for told in answer.matches
    } == {
        ("Doe", "1.1", "1.1.1"),
        ("Doe", "1.1", "1.1.2"),
        ("Roe", "1.2", "1.2.1"),
        ("Roe", "1.2", "1.2.2"),
    }
    above, *below = played.queries
    assert (above.level, above.keys) == (Level.STUDY, (key("PatientName", "*oe"),))
    assert [query.keys for query in below] == [(key("StudyInstanceUID", uid),) for uid in STUDIES]


async def test_a_list_of_studies_needs_no_negotiation(server: Server, played: Played) -> None:
    played.answer = archive
    answer = await ask(server, request("SERIES", StudyInstanceUID=["1.1", "1.2"], SeriesInstanceUID=""))
    assert [told.SeriesInstanceUID for told in answer.matches] == ["1.1.1", "1.1.2", "1.2.1", "1.2.2"]
    assert [query.level for query in played.queries] == [Level.SERIES, Level.SERIES]


async def test_what_is_asked_of_the_study_of_a_series_is_asked_there(server: Server, played: Played) -> None:
    played.answer = archive
    identifier = request("SERIES", StudyInstanceUID="1.1", SeriesInstanceUID="", PatientName="")
    answer = await ask(server, identifier)
    assert {str(told.PatientName) for told in answer.matches} >= {"Doe"}
    assert played.queries[0].keys == (key("StudyInstanceUID", "1.1"),)


async def test_a_search_that_is_too_wide_is_refused(parts: Parts, played: Played) -> None:
    settings = parts.settings.model_copy(
        update={"search": parts.settings.search.model_copy(update={"max_parents": 1})}
    )
    played.answer = archive
    async with serving(Parts(settings, parts.bus, parts.blobs)) as server:
        answer = await ask(server, request("SERIES", SeriesInstanceUID=""), extended=RELATIONAL)
    assert (answer.status, answer.matches) == (0xA700, [])
    assert answer.comment == "More than 1 STUDY above the matches"


@pytest.mark.parametrize(("extended", "fuzzy"), [(FUZZY, True), (RELATIONAL, False), (b"", False)])
async def test_fuzzy_matching(server: Server, played: Played, extended: bytes, fuzzy: bool) -> None:
    await ask(server, request(PatientName="Doe"), extended=extended)
    assert played.queries[0].fuzzy is fuzzy


async def test_a_study_of_two_patients_has_its_series_once(server: Server, played: Played) -> None:
    def of_two(query: Query) -> list[DicomJson]:
        if query.level is Level.STUDY:
            return [attributes(StudyInstanceUID="1.1", PatientName=name) for name in ("Doe", "Roe")]
        return [attributes(SeriesInstanceUID="1.1.1")]

    played.answer = of_two
    answer = await ask(
        server, request("SERIES", StudyInstanceUID="1.1", SeriesInstanceUID="", PatientName="")
    )
    assert [told.SeriesInstanceUID for told in answer.matches] == ["1.1.1"]
