"""Every file of the corpus through STOW-RS: into an archive, and to a receiver that keeps every bit.

What is stored is what the archive's own REST listing says; what is not stored is named, with the reason.
"""

from collections import Counter
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Final

import httpx2
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from pydicom.config import disable_value_validation
from pydicom.uid import JPEGBaseline8Bit

from tests.data_sets import identity, raw_dataset, transfer_syntax
from tests.peers import Orthanc, Storescp
from tests.stow.payloads import JSON, Part, body, described, document, headers, metadata
from tests.stow.test_pictures import jpeg
from tests.system.multipart import INSTANCES, PAYLOAD, Answer, datasets, parts, payload
from tests.waiting import PATIENCE

LONGEST_UID: Final = 64
INVALID_SOP_INSTANCE: Final = 0x0117
CANNOT_UNDERSTAND: Final = 0xC000
CUT_OFF: Final = {"MR_truncated.9.dcm", "rtplan_truncated.2.dcm"}
"""Whose data sets end within an element: Orthanc gives no answer to them."""


def store(http: httpx2.Client, origin: str, files: Iterable[Path]) -> tuple[int, Answer]:
    """Store files as they are: the HTTP status, and what became of them."""
    body = payload(file.read_bytes() for file in files)
    response = http.post(f"/aets/{origin}/studies", content=body, headers={"Content-Type": PAYLOAD})
    return response.status_code, Answer.from_response(response)


def sop_instance_uids(files: Iterable[Path]) -> set[str]:
    return {identity(file).sop_instance_uid for file in files}


def complete(files: Iterable[Path]) -> list[Path]:
    """Those that have the UIDs without which no instance can be named."""
    return [file for file in files if all(identity(file)[1:])]


def over_long(files: Iterable[Path]) -> set[str]:
    return {uid for uid in sop_instance_uids(files) if len(uid) > LONGEST_UID}


def held(archive: Orthanc) -> Counter[str]:
    return Counter(instance.sop_instance_uid for instance in archive.held().values())


def check_accounted(answer: Answer, sent: list[Path]) -> None:
    """Each part is in the answer, once, and what is not stored has its own reason."""
    named = sop_instance_uids(complete(sent))
    assert set(answer.stored) | set(answer.failed) == named
    assert answer.stored.total() + len(answer.failed) == len(named)
    assert answer.unreadable == [CANNOT_UNDERSTAND] * (len(sent) - len(named))
    refused = {uid for uid, reason in answer.failed.items() if reason == INVALID_SOP_INSTANCE}
    assert refused == over_long(sent)
    assert all(answer.failed.values())


def test_each_instance_is_stored_or_refused_with_its_own_reason(
    http: httpx2.Client, empty_orthanc: Orthanc, corpus: list[Path]
) -> None:
    assert len(over_long(corpus)) >= 8
    status, answer = store(http, "empty", corpus)
    assert status == 202
    check_accounted(answer, corpus)
    assert answer.stored == held(empty_orthanc)
    assert answer.stored.total() >= 150
    assert sop_instance_uids(file for file in corpus if file.name in CUT_OFF) <= answer.failed.keys()


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # of files that break rules
def test_dicomweb_client_reads_what_became_of_each_instance(
    http: httpx2.Client, empty_orthanc: Orthanc, corpus: list[Path]
) -> None:
    client = DICOMwebClient(f"{http.base_url}/aets/empty", timeout=PATIENCE)
    written = {file: ds for file in corpus if (ds := writable(file)) is not None}
    assert len(written) >= len(corpus) - 1
    with disable_value_validation():
        answer = Answer.of(client.store_instances(list(written.values())))
    check_accounted(answer, list(written))
    assert answer.stored == held(empty_orthanc)
    assert answer.stored.total() >= 150


def writable(file: Path) -> pydicom.Dataset | None:
    """Read a file as dicomweb-client's users do; pydicom cannot write each that it reads."""
    with disable_value_validation():
        ds = pydicom.dcmread(file, force=True)
        try:
            pydicom.dcmwrite(BytesIO(), ds)
        except TypeError:
            return None
        return ds


def test_a_receiver_that_keeps_every_bit_gets_the_bytes_that_were_sent(
    http: httpx2.Client, storescp: Storescp, corpus: list[Path]
) -> None:
    status, answer = store(http, "receiver", corpus)
    assert status == 202
    check_accounted(answer, corpus)
    refused = over_long(corpus)
    files = {identity(file).sop_instance_uid: file for file in complete(corpus)}
    sent = {uid: file for uid, file in files.items() if uid not in refused}
    received = {identity(file).sop_instance_uid: file for file in storescp.files()}
    assert len(storescp.files()) == len(sent)
    assert answer.stored == Counter(received.keys()) == Counter(sent.keys())
    changed = {uid for uid in sent if raw_dataset(received[uid]) != even(raw_dataset(sent[uid]))}
    assert changed == set()
    declared = {uid for uid in sent if has_file_meta(sent[uid])}
    assert {uid for uid in declared if transfer_syntax(received[uid]) != transfer_syntax(sent[uid])} == set()


def has_file_meta(file: Path) -> bool:
    """Whether the file itself tells its transfer syntax."""
    return raw_dataset(file) != file.read_bytes()


def even(dataset: bytes) -> bytes:
    """A fragment of odd length cannot be sent (PS3.5 A.5, PS3.8 E.2): a NUL goes behind the data set."""
    return dataset + b"\0" * (len(dataset) % 2)


def test_one_object_without_parts_is_stored_byte_for_byte(
    http: httpx2.Client, storescp: Storescp, corpus: list[Path]
) -> None:
    file = next(file for file in corpus if file.name == "CT_small.dcm")
    headers = {"Content-Type": "application/dicom"}
    response = http.post("/aets/receiver/studies", content=file.read_bytes(), headers=headers)
    assert response.status_code == 200
    assert storescp.datasets() == {identity(file).sop_instance_uid: [raw_dataset(file)]}


@pytest.mark.parametrize("form", ["application/dicom+json", "application/dicom+xml"])
def test_what_is_stored_as_metadata_and_bulkdata_is_held_as_an_instance(
    http: httpx2.Client, empty_orthanc: Orthanc, corpus: list[Path], form: str
) -> None:
    file = next(file for file in corpus if file.name == "CT_small.dcm")
    one = described(file)
    root = metadata(one.metadata) if form == JSON else document(one.metadata)
    response = http.post(
        "/aets/empty/studies", content=body([root, *one.parts]), headers=headers(form, Accept=form)
    )
    assert (response.status_code, response.headers["content-type"]) == (200, form)
    uid = identity(file).sop_instance_uid
    assert held(empty_orthanc) == Counter([uid])
    found = retrieved(http, "empty", file)
    original = pydicom.dcmread(file)
    assert found.PixelData == original.PixelData
    assert found.PatientName == original.PatientName


def test_a_picture_is_stored_in_its_own_compression(
    http: httpx2.Client, storescp: Storescp, corpus: list[Path]
) -> None:
    file = next(file for file in corpus if file.name == "CT_small.dcm")
    one = described(file)
    for tag in (
        "00280002",
        "00280004",
        "00280010",
        "00280011",
        "00280100",
        "00280101",
        "00280102",
        "00280103",
    ):
        del one.metadata[tag]
    one.metadata["7FE00010"] = {"vr": "OB", "BulkDataURI": "picture"}
    picture = Part(jpeg(Image.new("L", (40, 30), 77)), "image/jpeg", "picture")
    others = [part for part in one.parts if "7FE0" not in str(part.location)]
    content = body([metadata(one.metadata), picture, *others])
    response = http.post("/aets/receiver/studies", content=content, headers=headers())
    assert response.status_code == 200
    (received,) = storescp.files()
    ds = pydicom.dcmread(received)
    assert ds.file_meta.TransferSyntaxUID == JPEGBaseline8Bit
    assert (ds.pixel_array == 77).all()
    assert ds.pixel_array.shape == (30, 40)


def retrieved(http: httpx2.Client, origin: str, file: Path) -> pydicom.Dataset:
    """Read an instance of a file that is alone in its study."""
    study = identity(file).study_instance_uid
    response = http.get(f"/aets/{origin}/studies/{study}", headers={"Accept": INSTANCES})
    assert response.status_code == 200
    (content,) = parts(response.content, response.headers["Content-Type"])
    return pydicom.dcmread(BytesIO(content))


def test_what_is_stored_is_retrieved_by_the_url_in_the_answer(
    http: httpx2.Client, empty_orthanc: Orthanc, corpus: list[Path]
) -> None:
    file = next(file for file in corpus if file.name == "CT_small.dcm")
    status, answer = store(http, "empty", [file])
    assert status == 200
    (url,) = answer.retrieve_urls
    response = http.get(url, headers={"Accept": INSTANCES})
    assert response.status_code == 200
    retrieved = datasets(response.content, response.headers["Content-Type"])
    assert retrieved.keys() == sop_instance_uids([file])
