"""Searches of a DICOMweb server's worklist: what it is asked, and what it may do to the answer."""

import asyncio
from collections.abc import Iterable

import pytest
from pydicom._dicom_dict import DicomDictionary

from isthmus.common.bus import Bus, search
from isthmus.common.config import DicomwebOrigin
from isthmus.common.dicom.attributes import parse_path
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.errors import HttpOperationFailed, IsthmusError, MalformedAnswer, NoAcceptedContext
from isthmus.common.messages import WorklistQuery
from tests.common.webclient.web_origin import Behaviour, Site, says, writes_then_is_silent
from tests.waiting import PATIENCE
from tests.web_scu.dicomweb.asking import Key
from tests.web_scu.dicomweb.conftest import Serve
from tests.web_scu.dicomweb.steps import STEPS, Worklist

NAME, PATIENT, MODALITY, STATION = "00100010", "00100020", "00080060", "00400001"
IN_STEP = "ScheduledProcedureStepSequence."
RETURNED = ("PatientID", f"{IN_STEP}Modality", f"{IN_STEP}ScheduledStationAETitle")
MORE = "Warning: 299 here: There are 3 additional results that can be requested"


def step(number: int) -> DicomJson:
    """The odd ones are CT; each is of its own patient and on its own day."""
    item = {
        MODALITY: {"vr": "CS", "Value": ["CT" if number % 2 else "MR"]},
        STATION: {"vr": "AE", "Value": ["ROOM1"]},
        "00400002": {"vr": "DA", "Value": [f"202601{number % 28 + 1:02}"]},
        "00400003": {"vr": "TM", "Value": ["080000"]},
        "00400009": {"vr": "SH", "Value": [f"S{number}"]},
    }
    return {
        NAME: {"vr": "PN", "Value": [{"Alphabetic": f"Doe^{number}"}]},
        PATIENT: {"vr": "LO", "Value": [f"P{number}"]},
        STEPS: {"vr": "SQ", "Value": [item]},
    }


@pytest.fixture
def worklist(site: Site) -> Worklist:
    """A server with 10 steps."""
    held = Worklist([step(number) for number in range(1, 11)])
    site.does(held)
    return held


async def found(
    bus: Bus, origin: DicomwebOrigin, *keys: Key, returned: Iterable[str] = RETURNED
) -> list[DicomJson]:
    matching = tuple(
        MatchingKey(parse_path(name, "test"), (values,) if isinstance(values, str) else tuple(values))
        for name, values in keys
    )
    paths = tuple(parse_path(name, "test") for name in returned)
    async with search(bus, WorklistQuery(origin.name, matching, paths)) as matches:
        return [match async for match in matches]


def patients(matches: Iterable[DicomJson]) -> list[object]:
    return [match[PATIENT]["Value"][0] for match in matches]


async def test_14_4_1_what_is_asked(bus: Bus, origin: DicomwebOrigin, worklist: Worklist, site: Site) -> None:
    keys = ((f"{IN_STEP}Modality", "CT"), ("PatientName", "Doe^*"))
    assert patients(await found(bus, origin, *keys)) == ["P1", "P3", "P5", "P7", "P9"]
    (request,) = site.requests
    assert request.method == "GET"
    assert request.target == (
        "/dicom-web/modality-scheduled-procedure-steps?00400100.00080060=CT&00100010=Doe%5E*"
        "&includefield=00100020,00400100.00400001&limit=1000&offset=0"
    )


async def test_the_resource_is_a_setting(
    bus: Bus, serve: Serve, origin_name: str, worklist: Worklist, site: Site
) -> None:
    worklist.has(resource="mwlitems")
    origin = await serve(origin_name, site.url, worklist="mwlitems")
    assert len(await found(bus, origin)) == 10


@pytest.mark.parametrize("warns", [True, False])
async def test_8_3_4_4_all_pages_are_read(
    bus: Bus, origin: DicomwebOrigin, worklist: Worklist, *, warns: bool
) -> None:
    worklist.steps = [step(number) for number in range(1, 131)]
    worklist.has(cap=60, warns=warns)
    assert patients(await found(bus, origin)) == [f"P{number}" for number in range(1, 131)]


async def test_what_the_server_ignores_is_matched_here(
    bus: Bus, origin: DicomwebOrigin, worklist: Worklist
) -> None:
    worklist.has(matches=False)
    assert patients(await found(bus, origin, (f"{IN_STEP}Modality", ("MR", "US")), ("PatientID", "P?"))) == [
        "P2",
        "P4",
        "P6",
        "P8",
    ]


async def test_several_values_are_matched_here_alone(
    bus: Bus, origin: DicomwebOrigin, worklist: Worklist, site: Site
) -> None:
    assert len(await found(bus, origin, (f"{IN_STEP}Modality", ("MR", "CT")))) == 10
    assert "00080060=" not in site.requests[0].target
    assert "00400100.00080060" in site.requests[0].target


async def test_only_what_was_asked_for_is_given(
    bus: Bus, origin: DicomwebOrigin, worklist: Worklist, site: Site
) -> None:
    await found(bus, origin, returned=())
    assert "includefield=all" in site.requests[0].target
    assert await found(bus, origin, ("PatientID", "P1"), returned=("PatientID",)) == [
        {PATIENT: {"vr": "LO", "Value": ["P1"]}}
    ]


@pytest.mark.parametrize("refused", ["00400100.00400001", "00080050", "00401001"])
async def test_attributes_that_a_server_does_not_know_are_matched_here(
    bus: Bus, origin: DicomwebOrigin, worklist: Worklist, site: Site, refused: str
) -> None:
    """It may find bad what it is to return, and what it is to match and need not (PS3.4 Table K.6-1)."""
    worklist.has(refuses=[refused])
    for number, one in enumerate(worklist.steps):
        one["00080050"] = {"vr": "SH", "Value": ["A1" if number < 4 else "A2"]}
        one["00401001"] = {"vr": "SH", "Value": ["R1"]}
    keys = (("AccessionNumber", "A1"), ("RequestedProcedureID", "R1"), (f"{IN_STEP}Modality", "MR"))
    for _ in range(2):
        site.requests.clear()
        matches = await found(bus, origin, *keys)
        assert patients(matches) == ["P2", "P4"]
        assert matches[0][STEPS]["Value"][0][STATION] == {"vr": "AE", "Value": ["ROOM1"]}  # type: ignore[index]  # an item is a data set
    assert len(site.requests) == 1  # it is not asked again for what it refuses


@pytest.mark.parametrize(
    "habits", [{"alone": True}, {"paths": False}, {"paths": False, "alone": True}, {"refuses": ["00100020"]}]
)
async def test_all_of_a_step_is_told_whatever_the_server_makes_of_paths(
    bus: Bus, origin: DicomwebOrigin, worklist: Worklist, site: Site, habits: dict[str, object]
) -> None:
    """Some return of a sequence what is matched in it alone, and some return no attributes of items."""
    worklist.has(**habits)
    for _ in range(2):
        site.requests.clear()
        matches = await found(bus, origin, (f"{IN_STEP}Modality", "MR"), ("PatientName", "Doe^2"))
        assert patients(matches) == ["P2"]
        (item,) = matches[0][STEPS]["Value"]
        assert item[STATION] == {"vr": "AE", "Value": ["ROOM1"]}  # type: ignore[index]  # an item is a data set
    assert len(site.requests) == 1
    assert "00100010=Doe%5E2" in site.requests[0].target


async def test_more_attributes_than_a_url_holds(
    bus: Bus, origin: DicomwebOrigin, worklist: Worklist, site: Site
) -> None:
    many = [f"{IN_STEP}{tag:08X}" for tag in DicomDictionary if 0x00180010 < tag < 0x0018FFFF][:300]
    private = [f"{STEPS}.0041{number:04X}" for number in range(0x1000, 0x1100)]
    worklist.has(alone=True)
    for returned in (many, private):
        all_of_it = ("PatientID", f"{IN_STEP}ScheduledStationAETitle", *returned)
        matches = await found(bus, origin, (f"{IN_STEP}Modality", "MR"), returned=all_of_it)
        assert patients(matches)[:2] == ["P2", "P4"]
        assert matches[0][STEPS]["Value"][0][STATION]["Value"] == ["ROOM1"]  # type: ignore[index]  # a data set
    assert all(len(request.target) < 5_000 for request in site.requests)


async def test_leaving_early_ends_the_request(bus: Bus, origin: DicomwebOrigin, site: Site) -> None:
    """A C-CANCEL does so."""
    site.does(says("200 OK", '[{"00100020": {"Value": ["P1"]}}]', MORE), writes_then_is_silent())
    query = WorklistQuery(origin.name, (), ((PATIENT,),))
    async with search(bus, query) as matches:
        await anext(matches)
    async with asyncio.timeout(PATIENCE):
        await site.ended.wait()


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_server_need_not_have_a_worklist(
    bus: Bus, origin: DicomwebOrigin, worklist: Worklist, status: int
) -> None:
    worklist.has(resource="elsewhere", absent=status)
    with pytest.raises(NoAcceptedContext, match=str(status)):
        await found(bus, origin)


@pytest.mark.parametrize("for_none", ["204 No Content", "200 OK"])
async def test_nothing_matches(bus: Bus, origin: DicomwebOrigin, worklist: Worklist, for_none: str) -> None:
    worklist.has(for_none=for_none)
    assert await found(bus, origin, ("PatientID", "nobody")) == []


@pytest.mark.parametrize(
    ("behaviours", "error"),
    [
        ([says("500 Internal Server Error", "P1")], HttpOperationFailed),
        ([says("403 Forbidden")], HttpOperationFailed),
        ([says("400 Bad Request")], HttpOperationFailed),
        ([says("200 OK", "<html>P1</html>", kind="text/html")], MalformedAnswer),
        (
            [says("200 OK", '[{"00100020": {"Value": ["P1"]}}]', MORE), says("404 Not Found")],
            HttpOperationFailed,
        ),
    ],
)
async def test_a_failure_is_no_short_list_and_tells_of_nobody(
    bus: Bus, origin: DicomwebOrigin, site: Site, behaviours: list[Behaviour], error: type[IsthmusError]
) -> None:
    site.does(*behaviours)
    with pytest.raises(error) as failed:
        await found(bus, origin, ("PatientID", "P1"))
    assert "P1" not in str(failed.value)
