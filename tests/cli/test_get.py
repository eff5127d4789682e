"""`isthmus get`, against a gateway that sends what it should and what it should not."""

from pathlib import Path

import orjson
import pytest
from pydicom.data import get_testdata_file

from isthmus.cli.get import get
from tests.cli.face import Face, answer

BOUNDARY = "boundary"
CONTENT_TYPE = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
CT_UID = "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322"
MR_UID = "1.3.6.1.4.1.5962.1.1.4.1.1.20040826185059.5457"


def read(name: str) -> bytes:
    path = get_testdata_file(name)
    assert isinstance(path, str)
    return Path(path).read_bytes()


def multipart(*objects: bytes, closed: bool = True) -> bytes:
    parts = b"".join(
        b"--%b\r\nContent-Type: application/dicom\r\n\r\n%b\r\n" % (BOUNDARY.encode(), content)
        for content in objects
    )
    return parts + (b"--%b--\r\n" % BOUNDARY.encode() if closed else b"")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_an_error_of_the_gateway_is_said_with_its_trace(
    gateway: Face, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = {
        "title": "No such object",
        "detail": "there is no such study",
        "status": 404,
        "trace_id": "ab" * 16,
    }
    gateway.handler = answer("404 Not Found", "application/problem+json", orjson.dumps(problem))
    assert not await get(data, "pacs", "1.2", None, None, output=tmp_path / "out", as_json=False)
    assert f"No such object: there is no such study (isthmus trace {'ab' * 16})" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


async def test_a_connection_that_breaks_keeps_what_is_whole_and_nothing_else(
    gateway: Face, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = multipart(read("CT_small.dcm"), read("MR_small.dcm"))[:-2000]
    gateway.handler = answer("200 OK", CONTENT_TYPE, body, length=len(body) + 2000)
    assert not await get(data, "pacs", "1.2", None, None, output=tmp_path / "out", as_json=False)
    assert names(tmp_path / "out") == [f"{CT_UID}.dcm"]
    assert "incomplete: 1 instances arrived, then: the connection was broken off" in capsys.readouterr().err


async def test_a_body_without_its_closing_delimiter_is_incomplete(
    gateway: Face, data: Path, tmp_path: Path
) -> None:
    gateway.handler = answer("200 OK", CONTENT_TYPE, multipart(read("CT_small.dcm"), b"DICM", closed=False))
    assert not await get(data, "pacs", "1.2", None, None, output=tmp_path / "out", as_json=False)
    assert names(tmp_path / "out") == [f"{CT_UID}.dcm"]


async def test_a_part_of_a_study_is_kept_and_called_incomplete(
    gateway: Face, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warning = "299 http://127.0.0.1/aets/pacs: 2 instances are missing: The origin failed (DIMSE status C000)"
    gateway.handler = answer(
        "206 Partial Content", f"{CONTENT_TYPE}\r\nWarning: {warning}", multipart(read("CT_small.dcm"))
    )
    assert not await get(data, "pacs", "1.2", None, None, output=tmp_path / "out", as_json=True)
    assert names(tmp_path / "out") == [f"{CT_UID}.dcm"]
    said = capsys.readouterr()
    assert "incomplete: 1 instances arrived, then: 2 instances are missing: The origin failed" in said.err
    told = orjson.loads(said.out)
    assert told["complete"] is False
    assert told["detail"].startswith("2 instances are missing")


async def test_a_part_that_is_no_instance_is_not_kept(gateway: Face, data: Path, tmp_path: Path) -> None:
    gateway.handler = answer(
        "200 OK", CONTENT_TYPE, multipart(b"this is text and nothing else, of no use here")
    )
    assert not await get(data, "pacs", "1.2", None, None, output=tmp_path / "out", as_json=False)
    assert names(tmp_path / "out") == []


async def test_each_instance_becomes_a_file_with_the_bytes_that_came(
    gateway: Face, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    objects = {CT_UID: read("CT_small.dcm"), MR_UID: read("MR_small.dcm")}
    gateway.handler = answer("200 OK", CONTENT_TYPE, multipart(*objects.values()))
    assert await get(data, "pacs", "1.2", None, None, output=tmp_path / "out", as_json=True)
    assert {path.stem: path.read_bytes() for path in (tmp_path / "out").iterdir()} == objects
    told = orjson.loads(capsys.readouterr().out)
    assert told["complete"] is True
    assert [(each["sop_instance_uid"], each["bytes"]) for each in told["instances"]] == [
        (uid, len(content)) for uid, content in objects.items()
    ]


async def test_it_takes_any_transfer_syntax(gateway: Face, data: Path, tmp_path: Path) -> None:
    gateway.handler = answer("200 OK", CONTENT_TYPE, multipart(read("CT_small.dcm")))
    assert await get(data, "pacs", "1.2", "3.4", "5.6", output=tmp_path / "out", as_json=True)
    head = gateway.heads[0].lower()
    assert head.startswith("get /aets/pacs/studies/1.2/series/3.4/instances/5.6 ")
    assert 'accept: multipart/related; type="application/dicom"; transfer-syntax=*\r\n' in head


async def test_of_all_origins_it_says_which_is_not_included(
    gateway: Face, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warning = "299 http://127.0.0.1/dicomweb: The origin pacs is not included: The origin is away"
    gateway.handler = answer(
        "200 OK", f"{CONTENT_TYPE}\r\nWarning: {warning}", multipart(read("CT_small.dcm"))
    )
    assert await get(data, "all", "1.2", None, None, output=tmp_path / "out", as_json=True)
    assert gateway.heads[0].startswith("GET /dicomweb/studies/1.2 ")
    said = capsys.readouterr()
    assert said.err == f"warning: {warning}\n"
    assert orjson.loads(said.out)["warning"] == warning
