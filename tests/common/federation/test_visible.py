"""Where somebody may see a study, of three origins."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from isthmus.common.access.studies import Studies
from isthmus.common.auth import Permit
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config.access import StudyFilter
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import CircuitOpen
from isthmus.common.federation.visible import Visible
from tests.common.federation.origins import SECONDS, FakeOrigin, Origins, working
from tests.common.retrieval.held import STUDY, blob
from tests.waiting import PATIENCE

WHOLE = Permit()
CT = Permit((StudyFilter.model_validate({"modality": ["CT"]}),))


@pytest.fixture
async def origins(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Origins]:
    async with working(bus, blobs, origin_name) as origins:
        yield origins


@pytest.fixture
def studies(bus: Bus) -> Studies:
    return Studies(bus, 60)


def has(origin: FakeOrigin, modality: str) -> None:
    origin.holds(blob(1))
    (match,) = origin.pacs.matches[Level.STUDY]
    match[tag_of("ModalitiesInStudy")] = {"vr": "CS", "Value": [modality]}


async def test_is_wherever_a_permit_is_for_it_in_the_order_of_the_settings(
    origins: Origins, studies: Studies
) -> None:
    has(origins.a, "CT")
    has(origins.b, "MR")
    federation = origins.federation()
    for permits, names in (
        ({origins.c: WHOLE, origins.a: CT, origins.b: CT}, [origins.a, origins.c]),
        ({origins.b: CT}, []),
        ({origins.b: WHOLE}, [origins.b]),
        ({}, []),
    ):
        by_name = {origin.name: one for origin, one in permits.items()}
        found = await federation.visible(studies, by_name, STUDY)
        assert found == Visible(tuple(one.name for one in names))
    # Who needs no study to be judged is not asked, and who may know of none neither.
    assert origins.c.asked == []


async def test_is_not_known_where_an_origin_does_not_tell(origins: Origins, studies: Studies) -> None:
    has(origins.a, "CT")
    origins.b.pacs.failures[Level.STUDY] = CircuitOpen("away", origin=origins.b.name)
    permits = {origins.a.name: CT, origins.b.name: CT}
    found = await origins.federation().visible(studies, permits, STUDY)
    assert found.origins == (origins.a.name,)
    assert [one.origin for one in found.silent] == [origins.b.name]


async def test_is_not_waited_for_as_long_again_where_an_origin_was_late(
    origins: Origins, studies: Studies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.common.federation.visible.HURRIED_SECONDS", 0.125)
    origins.a.pacs.hangs = True
    has(origins.b, "CT")
    federation = origins.federation()
    permits = {origins.a.name: CT, origins.b.name: CT}
    for patience in (SECONDS, 0.125, 0.125):
        found = await federation.visible(studies, permits, STUDY)
        assert found.origins == (origins.b.name,)
        (silence,) = found.silent
        assert f"within {patience:g} s" in silence.error.detail
    origins.a.pacs.hangs = False
    has(origins.a, "CT")
    async with asyncio.timeout(PATIENCE):
        while found.silent:  # as long as this machine is slower than that
            found = await federation.visible(studies, permits, STUDY)
    assert found == Visible((origins.a.name, origins.b.name))
    origins.a.pacs.hangs = True
    found = await federation.visible(Studies(studies._bus, 60), permits, STUDY)
    assert f"within {SECONDS:g} s" in found.silent[0].error.detail
