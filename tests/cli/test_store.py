"""`isthmus store`, against a gateway that answers as stow does."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest
from pydicom.data import get_testdata_file

from isthmus.cli import store as store_module
from isthmus.cli.store import store
from tests.cli.face import Face, Handler

CT_UID = "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322"
MR_UID = "1.3.6.1.4.1.5962.1.1.4.1.1.20040826185059.5457"


def sample(name: str) -> Path:
    path = get_testdata_file(name)
    assert isinstance(path, str)
    return Path(path)


def item(uid: str, reason: tuple[str, int] | None = None) -> Mapping[str, object]:
    fields: dict[str, object] = {"00081155": {"vr": "UI", "Value": [uid]}}
    if reason is not None:
        fields[reason[0]] = {"vr": "US", "Value": [reason[1]]}
    return fields


def answering(status: str, content: Mapping[str, object], bodies: list[bytes]) -> Handler:
    """Take a chunked body to its end, then answer."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        bodies.append(body)
        answer = orjson.dumps(content)
        writer.write(
            f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(answer)}\r\n\r\n".encode()
        )
        writer.write(answer)
        await writer.drain()

    return handler


def sequence(*items: Mapping[str, object]) -> Mapping[str, object]:
    return {"vr": "SQ", "Value": list(items)}


async def results(
    data: Path, paths: list[Path], capsys: pytest.CaptureFixture[str]
) -> tuple[bool, list[dict[str, object]]]:
    ok = await store(data, "pacs", paths, as_json=True)
    found = orjson.loads(capsys.readouterr().out)
    assert isinstance(found, list)
    return ok, found


async def test_a_file_that_is_not_there_has_failed(
    gateway: Face, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ok, (result,) = await results(data, [tmp_path / "nothing"], capsys)
    assert not ok
    assert result["reason"] == "No such file or directory"
    assert gateway.heads == []


async def test_what_the_gateway_refuses_as_a_whole_has_failed(
    gateway: Face, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = {"title": "No such origin", "detail": "No origin is named 'pacs'", "status": 404}
    gateway.handler = answering("404 Not Found", problem, [])
    ok, (result,) = await results(data, [sample("CT_small.dcm")], capsys)
    assert not ok
    assert result["reason"] == "No such origin: No origin is named 'pacs'"


async def test_each_instance_has_a_result_of_its_own(
    gateway: Face, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = {
        "00081199": sequence(item(CT_UID, ("00081196", 0xB000))),
        "00081198": sequence(item(MR_UID, ("00081197", 0x0122))),
    }
    gateway.handler = answering("202 Accepted", module, [])
    ok, found = await results(data, [sample("CT_small.dcm"), sample("MR_small.dcm")], capsys)
    assert not ok
    assert [(each["sop_instance_uid"], each["stored"], each["status"]) for each in found] == [
        (CT_UID, True, "B000"),
        (MR_UID, False, "0122"),
    ]


async def test_files_go_as_they_are(gateway: Face, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bodies: list[bytes] = []
    gateway.handler = answering("200 OK", {"00081199": sequence(item(CT_UID))}, bodies)
    ok, (result,) = await results(data, [sample("CT_small.dcm")], capsys)
    assert ok
    assert result["status"] == "0000"
    assert sample("CT_small.dcm").read_bytes() in bodies[0]
    head = gateway.heads[0].lower()
    assert head.startswith("post /aets/pacs/studies ")
    assert 'content-type: multipart/related; type="application/dicom"; boundary=' in head


async def test_in_a_folder_what_is_no_instance_is_passed_over(
    gateway: Face, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder" / "below"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("these are notes, and not a DICOM file at all")
    (folder / "ct").write_bytes(sample("CT_small.dcm").read_bytes())
    gateway.handler = answering("200 OK", {"00081199": sequence(item(CT_UID))}, [])
    ok, (result,) = await results(data, [tmp_path / "folder"], capsys)
    assert ok
    assert result["path"] == str(folder / "ct")


async def test_many_files_are_many_requests(
    gateway: Face, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_BATCH_INSTANCES", 1)
    module = {"00081199": sequence(item(CT_UID), item(MR_UID))}
    gateway.handler = answering("200 OK", module, [])
    ok, found = await results(data, [sample("CT_small.dcm"), sample("MR_small.dcm")], capsys)
    assert ok
    assert len(found) == len(gateway.heads) == 2
