from pathlib import Path

import orjson
import pytest

from isthmus.cli.client import Refused
from isthmus.cli.find import FindLevel, find
from tests.cli.face import Face, answer

STUDY = {
    "00080020": {"vr": "DA", "Value": ["20040119"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "CompressedSamples^CT1"}]},
    "00101010": {"vr": "AS", "Value": ["032Y"]},
    "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
}


def matches(*found: object) -> bytes:
    return orjson.dumps(found)


async def test_a_refusal_is_raised_with_its_reason(gateway: Face, data: Path) -> None:
    problem = {"title": "A parameter is invalid", "detail": "limit: is negative", "status": 400}
    gateway.handler = answer("400 Bad Request", "application/problem+json", orjson.dumps(problem))
    with pytest.raises(Refused, match="A parameter is invalid: limit: is negative"):
        await find(data, "pacs", [], level=FindLevel.STUDY, limit=None, include=[], as_json=True)


async def test_keys_limit_and_included_attributes_become_parameters(gateway: Face, data: Path) -> None:
    gateway.handler = answer("200 OK", "application/dicom+json", matches())
    keys = [("PatientName", "Comp*"), ("StudyDate", "2004-")]
    await find(data, "pacs", keys, level=FindLevel.STUDY, limit=5, include=["PatientAge"], as_json=True)
    target = "/aets/pacs/studies?PatientName=Comp*&StudyDate=2004-&includefield=PatientAge&limit=5"
    assert gateway.heads[0].split()[1].replace("%2A", "*") == target


async def test_all_origins_are_searched_as_one(gateway: Face, data: Path) -> None:
    gateway.handler = answer("200 OK", "application/dicom+json", matches())
    await find(data, "all", [], level=FindLevel.SERIES, limit=None, include=[], as_json=True)
    assert gateway.heads[0].startswith("GET /dicomweb/series ")


@pytest.mark.parametrize(
    ("level", "keys", "path"),
    [
        (FindLevel.SERIES, [], "/aets/pacs/series"),
        (FindLevel.SERIES, [("StudyInstanceUID", "1.2")], "/aets/pacs/studies/1.2/series"),
        (FindLevel.INSTANCE, [("StudyInstanceUID", "1.2")], "/aets/pacs/studies/1.2/instances"),
        (
            FindLevel.INSTANCE,
            [("StudyInstanceUID", "1.2"), ("SeriesInstanceUID", "3")],
            "/aets/pacs/studies/1.2/series/3/instances",
        ),
        (FindLevel.SERIES, [("StudyInstanceUID", "1.2,1.3")], "/aets/pacs/series?StudyInstanceUID=1.2%2C1.3"),
        (FindLevel.STUDY, [("StudyInstanceUID", "1.2")], "/aets/pacs/studies?StudyInstanceUID=1.2"),
    ],
)
async def test_the_resource_is_the_narrowest_one(
    gateway: Face, data: Path, level: FindLevel, keys: list[tuple[str, str]], path: str
) -> None:
    gateway.handler = answer("200 OK", "application/dicom+json", matches())
    await find(data, "pacs", keys, level=level, limit=None, include=[], as_json=True)
    assert gateway.heads[0].split()[1] == path


async def test_matches_are_a_table_with_what_was_asked_for(
    gateway: Face, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.handler = answer("200 OK", "application/dicom+json", matches(STUDY))
    await find(data, "pacs", [], level=FindLevel.STUDY, limit=None, include=["PatientAge"], as_json=False)
    header, row = capsys.readouterr().out.splitlines()
    assert header.split()[0] == "StudyDate"
    assert header.split()[-1] == "PatientAge"
    assert row.split() == ["20040119", "CompressedSamples^CT1", "1.2.3", "032Y"]


async def test_for_scripts_matches_are_dicom_json(
    gateway: Face, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.handler = answer("200 OK", "application/dicom+json", matches(STUDY))
    await find(data, "pacs", [], level=FindLevel.STUDY, limit=None, include=[], as_json=True)
    assert orjson.loads(capsys.readouterr().out) == [STUDY]
