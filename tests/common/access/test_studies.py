"""Whether a permit is for a study: what an origin is asked for that, and what not."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from isthmus.common.access.studies import Studies
from isthmus.common.auth import Kind, Permit, Principal, acting_as, current_principal
from isthmus.common.bus import Bus, MatchWriter
from isthmus.common.config.access import StudyFilter
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.errors import CircuitOpen, NoSuchObject, NoWorker, OriginUnreachable, TooManyMatches
from isthmus.common.messages import Query
from tests.qido.pacs import Pacs, attributes, value_of

UID = (tag_of("StudyInstanceUID"),)


class SingleAssociation(Pacs):
    """Answers one query after another, as an origin that allows one association."""

    def __init__(self) -> None:
        super().__init__()
        self.free = asyncio.Lock()

    async def search(self, query: Query, writer: MatchWriter) -> None:
        async with self.free:
            await super().search(query, writer)
            await writer.flush()


def permit(*filters: dict[str, object]) -> Permit:
    return Permit(tuple(StudyFilter.model_validate(one) for one in filters))


CT = permit({"modality": ["CT"]})
RECENT = permit({"since": "2024-01-01"})
MARY = permit({"institution": ["Mary"]})


@pytest.fixture
async def pacs(bus: Bus, origin_name: str) -> Pacs:
    pacs = SingleAssociation()
    await pacs.serve(bus, origin_name)
    return pacs


@pytest.fixture
def studies(bus: Bus) -> Studies:
    return Studies(bus, 60)


def holds(pacs: Pacs, uid: str, *series: dict[str, str], **values: str) -> None:
    """Add a study with its series."""
    pacs.matches[Level.STUDY].append(attributes(StudyInstanceUID=uid, **values))
    pacs.matches[Level.SERIES] += [
        attributes(StudyInstanceUID=uid, SeriesInstanceUID=f"{uid}.{number}", **one)
        for number, one in enumerate(series)
    ]


class TestWhetherAStudyIsSeen:
    async def test_is_told_by_the_study_alone_where_that_does(
        self, studies: Studies, pacs: Pacs, origin_name: str
    ) -> None:
        holds(pacs, "1.2", ModalitiesInStudy="CT", StudyDate="20240101")
        holds(pacs, "1.3", ModalitiesInStudy="MR", StudyDate="20231231")
        for one in (CT, RECENT):
            assert await studies.sees(one, origin_name, "1.2")
            assert not await studies.sees(one, origin_name, "1.3")
        assert {*pacs.levels_asked()} == {Level.STUDY}

    async def test_is_told_by_its_series_where_it_does_not(
        self, studies: Studies, pacs: Pacs, origin_name: str
    ) -> None:
        holds(pacs, "1.2", {"Modality": "SR"}, {"Modality": "CT", "InstitutionName": "MARY"})
        holds(pacs, "1.3", {"Modality": "SR"}, InstitutionName="Elsewhere")
        for one in (CT, MARY):
            assert await studies.sees(one, origin_name, "1.2")
            assert not await studies.sees(one, origin_name, "1.3")

    async def test_is_asked_once_while_it_is_fresh(
        self, studies: Studies, pacs: Pacs, origin_name: str
    ) -> None:
        holds(pacs, "1.2", {"Modality": "CT"})
        seen = await asyncio.gather(*(studies.sees(CT, origin_name, "1.2") for _ in range(20)))
        assert all(seen)
        assert await studies.sees(CT, origin_name, "1.2")
        assert pacs.levels_asked() == [Level.STUDY, Level.SERIES]

    async def test_is_asked_each_time_where_nothing_stays_fresh(
        self, bus: Bus, pacs: Pacs, origin_name: str
    ) -> None:
        holds(pacs, "1.2", ModalitiesInStudy="CT")
        studies = Studies(bus, 0)
        for _ in range(2):
            assert await studies.sees(CT, origin_name, "1.2")
        assert pacs.levels_asked() == [Level.STUDY] * 2

    async def test_is_asked_anew_before_it_is_said_that_it_is_not(
        self, studies: Studies, pacs: Pacs, origin_name: str
    ) -> None:
        assert not await studies.sees(CT, origin_name, "1.2")
        holds(pacs, "1.2", ModalitiesInStudy="MR")
        assert not await studies.sees(CT, origin_name, "1.2")
        pacs.matches[Level.STUDY].clear()
        holds(pacs, "1.2", ModalitiesInStudy="CT")
        assert await studies.sees(CT, origin_name, "1.2")

    async def test_is_asked_of_its_series_anew_too_before_it_is_said_that_it_is_not(
        self, studies: Studies, pacs: Pacs, origin_name: str
    ) -> None:
        holds(pacs, "1.2", {"Modality": "SR"})
        for one in (CT, MARY):
            assert not await studies.sees(one, origin_name, "1.2")
        series = {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.9"}
        pacs.matches[Level.SERIES].append(attributes(**series, Modality="CT", InstitutionName="Mary"))
        for one in (CT, MARY):
            assert await studies.sees(one, origin_name, "1.2")

    async def test_takes_as_many_queries_where_it_is_hidden_as_where_it_is_not_there(
        self, studies: Studies, pacs: Pacs, origin_name: str
    ) -> None:
        holds(pacs, "1.2", {"Modality": "CT"}, ModalitiesInStudy="CT", StudyDate="20200101")
        mary_lately = permit({"institution": ["Mary"], "since": "2024-01-01"})
        for one in (MARY, RECENT, mary_lately):
            asked = []
            for uid in ("1.2", "1.9", "1.2"):
                before = len(pacs.queries)
                assert not await studies.sees(one, origin_name, uid)
                asked.append(pacs.levels_asked()[before:])
            assert asked[0] == asked[1] == asked[2]

    async def test_is_never_so_where_nobody_tells(
        self, studies: Studies, pacs: Pacs, origin_name: str
    ) -> None:
        holds(pacs, "1.2", {"SeriesNumber": "1"})
        for one in (CT, RECENT, MARY, permit({"accession_prefix": ["A"]})):
            assert not await studies.sees(one, origin_name, "1.2")
            with pytest.raises(NoSuchObject):
                await studies.require(one, origin_name, "1.2")

    async def test_is_not_so_of_two_with_one_uid_where_one_may_not_be_seen(
        self, studies: Studies, pacs: Pacs, origin_name: str
    ) -> None:
        holds(pacs, "1.2", ModalitiesInStudy="CT", PatientID="a")
        assert await studies.sees(CT, origin_name, "1.2")
        holds(pacs, "1.2", ModalitiesInStudy="MR", PatientID="b")
        assert not await Studies(studies._bus, 60).sees(CT, origin_name, "1.2")

    async def test_is_not_so_where_the_origin_answers_with_another_study(
        self, studies: Studies, bus: Bus, origin_name: str
    ) -> None:
        class Careless(Pacs):
            async def search(self, query: Query, writer: MatchWriter) -> None:
                for match in self.matches[query.level]:
                    await writer.add(match)

        careless = Careless()
        holds(careless, "1.3", {"Modality": "CT"}, ModalitiesInStudy="CT")
        holds(careless, "1.4", {"Modality": "MR"})
        await careless.serve(bus, origin_name)
        assert not await studies.sees(CT, origin_name, "1.2")
        assert not await studies.sees(CT, origin_name, "1.4")

    async def test_of_a_link_is_known_without_asking(
        self, studies: Studies, pacs: Pacs, origin_name: str
    ) -> None:
        assert await studies.sees(Permit(study="1.2"), origin_name, "1.2")
        assert not await studies.sees(Permit(study="1.2"), origin_name, "1.3")
        assert await studies.sees(Permit(), origin_name, "1.2")
        assert pacs.queries == []

    @pytest.mark.parametrize("level", [Level.STUDY, Level.SERIES])
    async def test_is_an_error_of_the_origin_where_that_fails(
        self, studies: Studies, pacs: Pacs, origin_name: str, level: Level
    ) -> None:
        holds(pacs, "1.2")
        pacs.failures[level] = OriginUnreachable("away", origin=origin_name)
        with pytest.raises(OriginUnreachable):
            await studies.sees(CT, origin_name, "1.2")
        pacs.failures.clear()
        assert not await studies.sees(CT, origin_name, "1.2")

    async def test_cannot_be_told_without_a_worker(self, studies: Studies, origin_name: str) -> None:
        with pytest.raises(NoWorker):
            await studies.sees(CT, origin_name, "1.2")

    async def test_goes_on_for_others_when_one_leaves(
        self, studies: Studies, pacs: Pacs, origin_name: str
    ) -> None:
        holds(pacs, "1.2", ModalitiesInStudy="CT")
        assert isinstance(pacs, SingleAssociation)
        async with pacs.free:
            first = asyncio.create_task(studies.sees(CT, origin_name, "1.2"))
            second = asyncio.create_task(studies.sees(CT, origin_name, "1.2"))
            await asyncio.sleep(0)
            first.cancel()
            await asyncio.wait({first})
        assert await second
        assert len(pacs.queries) == 1

    async def test_is_asked_on_nobodys_behalf(self, origin_name: str) -> None:
        behalves: list[Principal | None] = []

        class Noting(Studies):
            async def _matches(self, query: Query) -> list[DicomJson]:
                behalves.append(current_principal())
                return [attributes(StudyInstanceUID="1.2")]

        studies = Noting(Bus.__new__(Bus), 60, [origin_name])
        with acting_as(Principal(Kind.USER, "alice")):
            await studies.sees(CT, origin_name, "1.2")
            assert current_principal() is not None
        assert behalves == [None, None]


async def found(
    studies: Studies, one: Permit, query: Query, most: int = 100, enough: int | None = None
) -> list[object]:
    """The studies that are found, as far as they are wanted."""
    uids = []
    async with aclosing(studies.seen(one, query, most=most)) as matches:
        async for match in matches:
            uids.append(value_of(match, "StudyInstanceUID"))
            if len(uids) == enough:
                break
    return uids


class TestMatches:
    @pytest.fixture
    def query(self, origin_name: str) -> Query:
        return Query(origin_name, Level.STUDY, (), (UID,))

    async def test_of_a_permit_for_all_are_what_the_origin_finds(
        self, studies: Studies, pacs: Pacs, query: Query
    ) -> None:
        holds(pacs, "1.2")
        assert await found(studies, Permit(), query) == ["1.2"]
        assert pacs.queries == [query]

    async def test_are_judged_by_their_own_attributes(
        self, studies: Studies, pacs: Pacs, query: Query
    ) -> None:
        for number, day in enumerate(("20240101", "20231231", "", "20250101")):
            holds(pacs, f"1.{number}", StudyDate=day)
        holds(pacs, "1.9")
        assert await found(studies, RECENT, query) == ["1.0", "1.3"]
        (asked,) = pacs.queries
        assert asked.keys == (MatchingKey((tag_of("StudyDate"),), ("20240101-",)),)
        assert {*asked.return_keys} >= {UID, (tag_of("StudyDate"),)}

    async def test_that_do_not_tell_are_judged_by_their_series_in_the_order_of_the_origin(
        self, studies: Studies, pacs: Pacs, query: Query
    ) -> None:
        for number in range(20):
            name = "Mary" if number % 3 == 0 else "Elsewhere"
            if number % 2:
                holds(pacs, f"1.{number}", InstitutionName=name)
            else:
                holds(pacs, f"1.{number}", {"InstitutionName": name})
        assert await found(studies, MARY, query) == [f"1.{number}" for number in range(0, 20, 3)]

    async def test_are_asked_for_together_where_the_origin_takes_a_list(
        self, bus: Bus, pacs: Pacs, query: Query
    ) -> None:
        for number in range(150):
            holds(pacs, f"1.{number}", {"InstitutionName": "Mary" if number % 2 else "Elsewhere"})
        studies = Studies(bus, 60, [query.origin])
        assert await found(studies, MARY, query, most=200) == [f"1.{number}" for number in range(1, 150, 2)]
        assert pacs.levels_asked() == [Level.STUDY, Level.SERIES, Level.SERIES]
        # And are known for the next time.
        await found(studies, MARY, query, most=200)
        assert pacs.levels_asked()[3:] == [Level.STUDY]

    async def test_whose_series_would_be_too_many_to_ask_are_refused(
        self, studies: Studies, pacs: Pacs, query: Query
    ) -> None:
        for number in range(6):
            holds(pacs, f"1.{number}", {"InstitutionName": "Mary"})
        with pytest.raises(TooManyMatches):
            await found(studies, MARY, query, most=5)
        # Who wants no more than could be told gets that.
        assert await found(studies, MARY, query, most=5, enough=5) == [f"1.{number}" for number in range(5)]

    async def test_of_others_are_not_looked_at_without_end(
        self, studies: Studies, pacs: Pacs, query: Query, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("isthmus.common.access.studies.HIDDEN_AT_MOST", 5)
        either = permit({"modality": ["CT"]}, {"since": "2024-01-01"})
        holds(pacs, "1.1", StudyDate="20240101")
        for number in range(2, 8):
            holds(pacs, f"1.{number}", ModalitiesInStudy="MR", StudyDate="20200101")
        with pytest.raises(TooManyMatches):
            await found(studies, either, query)
        assert await found(studies, either, query, enough=1) == ["1.1"]

    async def test_of_a_link_are_its_study(self, studies: Studies, pacs: Pacs, query: Query) -> None:
        holds(pacs, "1.2")
        holds(pacs, "1.3")
        assert await found(studies, Permit(study="1.3"), query) == ["1.3"]
        assert pacs.queries[0].keys == (MatchingKey(UID, ("1.3",)),)

    async def test_by_a_key_of_the_client_are_not_widened(
        self, studies: Studies, pacs: Pacs, query: Query
    ) -> None:
        holds(pacs, "1.2", StudyDate="20200101")
        holds(pacs, "1.3", StudyDate="20250101")
        key = MatchingKey((tag_of("StudyDate"),), ("20240601-20260101",))
        asked = Query(query.origin, Level.STUDY, (key,), (UID,))
        assert await found(studies, RECENT, asked) == ["1.3"]
        assert pacs.queries[0].keys == (key,)
        longer = MatchingKey((tag_of("StudyDate"),), ("20200101-20260101",))
        assert await found(studies, RECENT, replace(asked, keys=(longer,))) == ["1.3"]
        assert pacs.queries[1].keys == (MatchingKey((tag_of("StudyDate"),), ("20240101-20260101",)),)

    async def test_without_a_uid_are_seen_by_what_they_tell_alone(
        self, studies: Studies, pacs: Pacs, query: Query
    ) -> None:
        pacs.matches[Level.STUDY] += [attributes(StudyDate="20240101"), attributes(StudyID="1")]
        matches = [match async for match in studies.seen(RECENT, query, most=10)]
        assert matches == [attributes(StudyDate="20240101")]
        assert [match async for match in studies.seen(MARY, query, most=10)] == []

    async def test_fail_where_the_series_cannot_be_asked(
        self, studies: Studies, pacs: Pacs, query: Query
    ) -> None:
        holds(pacs, "1.2", {"InstitutionName": "Mary"})
        pacs.failures[Level.SERIES] = CircuitOpen("away", origin=query.origin)
        with pytest.raises(CircuitOpen):
            await found(studies, MARY, query)

    async def test_are_of_studies_alone(self, studies: Studies, query: Query) -> None:
        with pytest.raises(ValueError, match="studies"):
            await found(studies, CT, Query(query.origin, Level.SERIES, (), (UID,)))
