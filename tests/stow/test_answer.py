"""What the client gets to know (PS3.18 10.5.3, Annex I)."""

import threading
from io import BytesIO
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import httpx2
import pytest

from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.errors import OperationFailed
from isthmus.common.messages import Failure
from isthmus.stow.response import Report
from tests.data_sets import identity
from tests.stow.payloads import STORED, Part, body, comments, headers, instances, reasons
from tests.stow.worker import Employ, Job, stores

OBJECT: Final = "application/dicom"
NAMESPACE: Final = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
SECRET: Final = "Doe^John"


def payload(files: list[Path]) -> bytes:
    return body(Part(file.read_bytes(), OBJECT) for file in files)


def values(document: bytes, keyword: str) -> list[str]:
    """Read the values of an attribute, wherever it is in a document."""
    root = ElementTree.parse(BytesIO(document)).getroot()
    assert root.tag == f"{NAMESPACE}NativeDicomModel"
    found = root.iterfind(f".//{NAMESPACE}DicomAttribute[@keyword='{keyword}']/{NAMESPACE}Value")
    return [value.text or "" for value in found]


class TestXml10533:
    async def test_the_answer_is_one_document(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path]
    ) -> None:
        async def stores_two(job: Job) -> None:
            for index, status in enumerate((0x0000, 0xB000, 0xC122)):
                await job.answer(index, status)
            await job.end()

        employ(stores_two)
        response = await client.post(
            "studies", content=payload(series), headers=headers(OBJECT, Accept="application/dicom+xml")
        )
        assert response.status_code == 202
        assert response.headers["Content-Type"] == "application/dicom+xml"
        uids = [identity(file).sop_instance_uid for file in series]
        assert sorted(values(response.content, "ReferencedSOPInstanceUID")) == sorted(uids)
        assert values(response.content, "FailureReason") == [str(0xC122)]
        assert values(response.content, "WarningReason") == [str(0xB000)]
        assert len(values(response.content, "RetrieveURL")) == 3

    @pytest.mark.parametrize(
        ("accept", "expected"),
        [
            ("*/*", "application/dicom+json"),
            ("application/*", "application/dicom+json"),
            ("application/dicom+xml;q=0.2, application/json;q=0.5", "application/json"),
            ("application/dicom+xml, */*;q=0.1", "application/dicom+xml"),
        ],
    )
    async def test_accept_decides_by_its_weights(
        self,
        client: httpx2.AsyncClient,
        employ: Employ,
        series: list[Path],
        accept: str,
        expected: str,
    ) -> None:
        employ(stores)
        response = await client.post(
            "studies", content=payload(series[:1]), headers=headers(OBJECT, Accept=accept)
        )
        assert (response.status_code, response.headers["Content-Type"]) == (200, expected)


class TestReasonsI2:
    @pytest.mark.parametrize("status", [0xB000, 0xB006, 0xB007])
    async def test_a_warning_of_the_origin_is_the_warning_reason(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path], status: int
    ) -> None:
        async def warns(job: Job) -> None:
            await job.answer_all(status)

        employ(warns)
        response = await client.post("studies", content=payload(series[:1]), headers=headers(OBJECT))
        assert response.status_code == 202
        assert response.json()[STORED]["Value"][0]["00081196"]["Value"] == [status]
        assert f": {status:04X}: " in response.headers["Warning"]

    @pytest.mark.parametrize("status", [0x0110, 0x0117, 0x0122, 0xA700, 0xA900, 0xC000, 0xC122, 0xC1FF])
    async def test_a_failure_of_the_origin_is_the_failure_reason_in_our_own_words(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path], origin_name: str, status: int
    ) -> None:
        async def refuses_one(job: Job) -> None:
            quoted = OperationFailed(f"{SECRET} is dead", origin=origin_name, status=status)
            await job.answer(0, status, Failure.of(quoted))
            await job.answer(1, 0x0000)
            await job.end()

        employ(refuses_one)
        response = await client.post("studies", content=payload(series[:2]), headers=headers(OBJECT))
        assert response.status_code == 202
        assert reasons(response) == [status]
        assert comments(response)[0]
        assert SECRET not in response.text + str(response.headers)


async def test_all_that_was_not_stored_is_in_the_warnings_each_reason_once(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    async def refuses(job: Job) -> None:
        for index, status in enumerate((0xA700, 0xA700, 0x0000)):
            await job.answer(index, status)
        await job.end()

    employ(refuses)
    parts = [*(Part(file.read_bytes(), OBJECT) for file in series), Part(b"no object", OBJECT)]
    response = await client.post("studies", content=body(parts), headers=headers(OBJECT))
    service = str(client.base_url).rstrip("/")
    assert response.headers.get_list("Warning") == [
        f"299 {service}: A700: Refused: out of resources",
        f"299 {service}: C000: No DICOM object or metadata, or cut off",
    ]


async def test_a_long_report_is_written_beside_the_loop(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    module, threads = Report.module, []

    def noted(report: Report, studies_url: str) -> DicomJson:
        threads.append(threading.current_thread())
        return module(report, studies_url)

    monkeypatch.setattr(Report, "module", noted)
    employ(stores)
    await client.post("studies", content=payload(series), headers=headers(OBJECT))
    assert threads
    assert threading.main_thread() not in threads


async def test_the_location_is_that_of_the_study(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    employ(stores)
    response = await client.post("studies", content=payload(series), headers=headers(OBJECT))
    study = identity(series[0]).study_instance_uid
    assert response.headers["Location"] == str(client.base_url.join(f"studies/{study}"))
    assert "Warning" not in response.headers


async def test_nothing_stored_has_no_location(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    async def refuses(job: Job) -> None:
        await job.answer_all(0xA900)

    employ(refuses)
    response = await client.post("studies", content=payload(series), headers=headers(OBJECT))
    assert (response.status_code, "Location" in response.headers) == (409, False)
    assert len(instances(response, "00081198")) == 3
