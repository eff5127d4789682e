import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from isthmus.cli.client import Refused
from isthmus.cli.find import FindLevel, find
from isthmus.cli.links import link
from isthmus.cli.run_file import RunFile
from isthmus.common.auth import StudyLink
from isthmus.common.auth.links import Links
from isthmus.common.bus import Bus
from tests.audited import audited
from tests.cli.conftest import LINK_KEY, OPERATOR_KEY
from tests.cli.face import Face, answer


def match(url: str) -> bytes:
    return orjson.dumps(
        [{"00081190": {"vr": "UR", "Value": [url]}, "0020000D": {"vr": "UI", "Value": ["1.2"]}}]
    )


async def test_a_link_is_a_url_for_clients_that_opens_the_study(
    gateway: Face, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.handler = answer("200 OK", "application/dicom+json", match("http://x/aets/pacs/studies/1.2"))
    await link(data, "1.2", "pacs", hours=2, as_json=False)
    out, err = capsys.readouterr()
    url = urlsplit(out.strip())
    assert f"{url.scheme}://{url.netloc}{url.path}" == "https://pacs.example.org/aets/pacs/studies/1.2"
    (shown,) = parse_qs(url.query)["link"]
    who = Links(LINK_KEY).principal(shown)
    assert who.link == StudyLink("pacs", "1.2")
    assert who.until == pytest.approx(time.time() + 7200, abs=60)
    assert shown not in err
    assert gateway.heads[0].split()[1] == "/aets/pacs/studies?StudyInstanceUID=1.2"


async def test_who_makes_a_link_that_nobody_else_can_open_hears_so(
    gateway: Face, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.handler = answer("200 OK", "application/dicom+json", match("http://x/aets/pacs/studies/1.2"))
    await link(data, "1.2", "pacs", hours=2, as_json=False)
    assert "this machine alone" not in capsys.readouterr().err
    RunFile.read(data).model_copy(update={"clients": "http://127.0.0.1:8080"}).write(data)
    await link(data, "1.2", "pacs", hours=2, as_json=False)
    assert "it opens on this machine alone: gateway.url" in capsys.readouterr().err


async def test_without_an_origin_it_is_for_where_the_study_is(
    gateway: Face, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.handler = answer("200 OK", "application/dicom+json", match("http://x/aets/cloud/studies/1.2"))
    await link(data, "1.2", None, hours=8, as_json=True)
    told = orjson.loads(capsys.readouterr().out)
    assert gateway.heads[0].split()[1] == "/dicomweb/studies?StudyInstanceUID=1.2"
    assert (told["origin"], told["study"]) == ("cloud", "1.2")
    assert told["root"] == f"https://pacs.example.org/links/{told['link']}/aets/cloud"
    assert Links(LINK_KEY).principal(told["link"]).link == StudyLink("cloud", "1.2")


async def test_a_page_of_the_viewer_shows_it(
    gateway: Face, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.handler = answer("404 Not Found", "application/problem+json", b"{}")
    with pytest.raises(Refused, match="serves no viewer: isthmus viewer fetches it"):
        await link(data, "1.2", "pacs", hours=2, as_viewer=True, as_json=False)
    gateway.handler = answer("200 OK", "application/dicom+json", match("http://x/aets/pacs/studies/1.2"))
    await link(data, "1.2", "pacs", hours=2, as_viewer=True, as_json=False)
    url = urlsplit(capsys.readouterr().out.strip())
    assert f"{url.netloc}{url.path}" == "pacs.example.org/viewer"
    asked = parse_qs(url.query)
    assert asked["StudyInstanceUIDs"] == ["1.2"]
    assert Links(LINK_KEY).principal(asked["token"][0]).link == StudyLink("pacs", "1.2")


@pytest.mark.parametrize(("origin", "why"), [("pacs", "no study 1.2 at 'pacs'"), (None, "no origin has")])
async def test_there_is_no_link_to_nothing(gateway: Face, data: Path, origin: str | None, why: str) -> None:
    gateway.handler = answer("200 OK", "application/dicom+json", b"[]")
    with pytest.raises(Refused, match=why):
        await link(data, "1.2", origin, hours=8, as_json=False)


async def test_a_study_at_several_origins_needs_one_named(gateway: Face, data: Path) -> None:
    gateway.handler = answer("200 OK", "application/dicom+json", match("http://x/dicomweb/studies/1.2"))
    with pytest.raises(Refused, match="--origin"):
        await link(data, "1.2", None, hours=8, as_json=False)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (b"[]", "no origin has the study 1.2 (299 x: The origin pacs is not included)"),
        (
            match("http://x/dicomweb/studies/1.2"),
            "say by --origin where: it may be at several origins (299 x: The origin pacs is not included)",
        ),
    ],
)
async def test_which_origin_could_not_be_asked_is_said(
    gateway: Face, data: Path, found: bytes, why: str
) -> None:
    headers = "application/dicom+json\r\nWarning: 299 x: The origin pacs is not included"
    gateway.handler = answer("200 OK", headers, found)
    with pytest.raises(Refused) as refused:
        await link(data, "1.2", None, hours=8, as_json=False)
    assert str(refused.value) == why


async def test_the_commands_show_the_faces_who_they_are(gateway: Face, data: Path) -> None:
    gateway.handler = answer("200 OK", "application/dicom+json", b"[]")
    await find(data, "pacs", [], level=FindLevel.STUDY, limit=None, include=[], as_json=True)
    assert f"authorization: bearer {OPERATOR_KEY}".lower() in gateway.heads[0].lower()


async def test_that_it_was_made_is_recorded_but_not_the_link(
    gateway: Face, data: Path, bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    study = f"1.2.{time.time_ns()}"
    gateway.handler = answer("200 OK", "application/dicom+json", match(f"http://x/aets/pacs/studies/{study}"))
    await link(data, study, "pacs", hours=2, as_json=True)
    shown = orjson.loads(capsys.readouterr().out)["link"]
    (record,) = [one for one in await audited(bus, service="isthmus") if one.studies == (study,)]
    assert (record.event, record.action, record.origin) == ("security-alert", "isthmus link", "pacs")
    assert str(Links(LINK_KEY).principal(shown).name) in record.reason
    assert shown not in repr(record)
