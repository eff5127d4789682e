"""The Store Transaction, STOW-RS (PS3.18 10.5): its payloads, its response, and what an archive then has."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final

import httpx2
import pydicom
import pytest

from tests.data_sets import identity
from tests.system.conformance.answers import DICOM_JSON, Match, keywords, value, values, xml_sequence
from tests.system.conformance.storing import Destination
from tests.system.multipart import PAYLOAD, payload
from tests.system.problem import problem

STUDY_MISMATCH: Final = 0xA901
CANNOT_UNDERSTAND: Final = 0xC000
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
TRANSFER_SYNTAX_NOT_SUPPORTED: Final = 0xC122
SEQUENCES: Final = {"FailedSOPSequence", "ReferencedSOPSequence", "OtherFailuresSequence"}
UNKNOWN: Final = "1.2.3.4.5.6.7.8.9"


def sop_instance_uids(*files: Path) -> list[str]:
    return [identity(file).sop_instance_uid for file in files]


def module(response: httpx2.Response, status: int) -> Match:
    """Read the Store Instances Response Module (Annex I): no sequence is there without an item."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == DICOM_JSON
    found: Match = response.json()
    assert "RetrieveURL" in keywords(found)
    assert all(values(found, sequence) for sequence in SEQUENCES & keywords(found))
    return found


def reasons(found: Match, sequence: str = "FailedSOPSequence") -> list[int]:
    return [values(item, "FailureReason")[0] for item in values(found, sequence)]


def unlike(file: Path, **changes: str) -> bytes:
    """The file with other attributes."""
    ds = pydicom.dcmread(file)
    for keyword, changed in changes.items():
        setattr(ds, keyword, changed)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    written = BytesIO()
    pydicom.dcmwrite(written, ds)
    return written.getvalue()


@pytest.mark.parametrize("of_study", [False, True], ids=["studies", "study"])
def test_10_5_1_instances_are_stored_one_to_a_part(
    destination: Destination, fresh: list[Path], *, of_study: bool
) -> None:
    """`POST /studies` and `POST /studies/{study}`; the answer comes when the archive has them all."""
    study = identity(fresh[0]).study_instance_uid
    content = payload(file.read_bytes() for file in fresh)
    response = destination.store(content, study=study if of_study else "")
    held = destination.held()
    assert module(response, 200)
    for file in fresh:
        sent = pydicom.dcmread(file)
        assert held[sent.SOPInstanceUID] == sent


def test_10_5_1_one_object_is_stored_without_parts(destination: Destination, fresh: list[Path]) -> None:
    """Our choice: `Content-Type: application/dicom`."""
    assert module(destination.store(fresh[0].read_bytes(), "application/dicom"), 200)
    assert destination.held()[sop_instance_uids(fresh[0])[0]] == pydicom.dcmread(fresh[0])


def test_10_5_1_a_body_may_come_in_chunks(destination: Destination, fresh: list[Path]) -> None:
    """`Transfer-Encoding: chunked`, its chunks regardless of parts."""

    def chunks() -> Iterator[bytes]:
        body = payload(file.read_bytes() for file in fresh)
        for at in range(0, len(body), 333):
            yield body[at : at + 333]

    assert module(destination.store(chunks()), 200)
    assert set(sop_instance_uids(*fresh)) <= set(destination.held())


def test_annex_i_what_is_stored_is_named_with_its_url(destination: Destination, fresh: list[Path]) -> None:
    """RetrieveURL of the study (type 2); ReferencedSOPSequence: class, instance and RetrieveURL of each."""
    response = destination.store_files(*fresh)
    found = module(response, 200)
    study = destination.url(fresh[0]).partition("/series/")[0]
    assert values(found, "RetrieveURL") == [response.headers["Location"]] == [study]
    assert SEQUENCES & keywords(found) == {"ReferencedSOPSequence"}
    for item, file in zip(values(found, "ReferencedSOPSequence"), fresh, strict=True):
        assert value(item, "ReferencedSOPClassUID") == pydicom.uid.CTImageStorage
        assert [value(item, "ReferencedSOPInstanceUID")] == sop_instance_uids(file)
        assert value(item, "RetrieveURL") == destination.url(file)
        assert "WarningReason" not in keywords(item)
    answer = destination.http.get(destination.url(fresh[0]), headers={"Accept": "application/dicom"})
    assert pydicom.dcmread(BytesIO(answer.content)) == pydicom.dcmread(fresh[0])


def test_10_5_3_3_the_answer_is_json_or_xml_and_json_if_nothing_is_said(
    destination: Destination, fresh: list[Path]
) -> None:
    content = payload([fresh[0].read_bytes()])
    headers = {"Content-Type": PAYLOAD}
    response = destination.http.post(f"{destination.root}/studies", content=content, headers=headers)
    assert values(module(response, 200), "ReferencedSOPSequence")
    response = destination.store(content, accept="application/dicom+xml")
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/dicom+xml")
    (item,) = xml_sequence(response.content, "ReferencedSOPSequence")
    assert item["ReferencedSOPInstanceUID"] == sop_instance_uids(fresh[0])
    response = destination.store(content, accept="text/html")
    assert DICOM_JSON in str(problem(response, 406)["available"])


def test_table_10_5_3_1_202_is_that_some_are_stored(destination: Destination, fresh: list[Path]) -> None:
    """FailedSOPSequence with class, instance and FailureReason; the others are stored all the same."""
    other = unlike(fresh[2], StudyInstanceUID=UNKNOWN)
    content = payload([fresh[0].read_bytes(), other, fresh[1].read_bytes()])
    found = module(destination.store(content, study=identity(fresh[0]).study_instance_uid), 202)
    assert SEQUENCES & keywords(found) == {"ReferencedSOPSequence", "FailedSOPSequence"}
    stored = [value(item, "ReferencedSOPInstanceUID") for item in values(found, "ReferencedSOPSequence")]
    assert stored == sop_instance_uids(*fresh[:2])
    (item,) = values(found, "FailedSOPSequence")
    assert value(item, "ReferencedSOPClassUID") == pydicom.uid.CTImageStorage
    assert [value(item, "ReferencedSOPInstanceUID")] == sop_instance_uids(fresh[2])
    assert values(item, "FailureReason") == [STUDY_MISMATCH]
    held = destination.held()
    assert set(stored) <= set(held)
    assert not set(sop_instance_uids(fresh[2])) & set(held)


def test_table_10_5_3_1_409_is_that_none_is_stored(destination: Destination, fresh: list[Path]) -> None:
    """A study that is not the URL's fails, and is never rewritten; RetrieveURL is empty, as type 2 may be."""
    response = destination.store(payload(file.read_bytes() for file in fresh), study=UNKNOWN)
    found = module(response, 409)
    assert reasons(found) == [STUDY_MISMATCH] * 3
    assert SEQUENCES & keywords(found) == {"FailedSOPSequence"}
    assert not values(found, "RetrieveURL")
    assert not set(sop_instance_uids(*fresh)) & set(destination.held())


def test_table_10_5_3_1_409_is_also_a_mixture_of_reasons(destination: Destination, fresh: list[Path]) -> None:
    content = payload([fresh[0].read_bytes(), b"no object at all" * 20])
    found = module(destination.store(content, study=UNKNOWN), 409)
    assert reasons(found) == [STUDY_MISMATCH]
    assert reasons(found, "OtherFailuresSequence") == [CANNOT_UNDERSTAND]


@pytest.mark.parametrize("body", [b"", b"no boundary", payload([]), payload([b"no object at all" * 20])])
def test_table_10_5_3_1_400_is_bad_syntax(destination: Destination, body: bytes) -> None:
    problem(destination.store(body), 400)


@pytest.mark.parametrize(
    "content_type", ["application/pdf", "multipart/form-data; boundary=x", "application/json", "nonsense"]
)
def test_table_10_5_3_1_415_is_another_media_type(destination: Destination, content_type: str) -> None:
    problem(destination.store(b"something", content_type), 415)


def test_annex_i_parts_that_nobody_can_read_are_other_failures(
    destination: Destination, fresh: list[Path]
) -> None:
    """OtherFailuresSequence: FailureReason alone, as no instance can be named (C000: cannot understand)."""
    content = payload([fresh[0].read_bytes(), b"no object at all" * 20])
    found = module(destination.store(content), 202)
    assert SEQUENCES & keywords(found) == {"ReferencedSOPSequence", "OtherFailuresSequence"}
    (item,) = values(found, "OtherFailuresSequence")
    assert values(item, "FailureReason") == [CANNOT_UNDERSTAND]
    assert not keywords(item) & {"ReferencedSOPInstanceUID", "ReferencedSOPClassUID"}


def test_i_2_2_what_the_archive_does_not_take_fails_with_its_reason(
    destination: Destination, fresh: list[Path]
) -> None:
    """0122 is an unsupported SOP Class, C122 a transfer syntax; Orthanc takes all of both."""
    ds = pydicom.dcmread(fresh[0])
    ds.compress(pydicom.uid.RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    compressed = BytesIO()
    pydicom.dcmwrite(compressed, ds)
    private = unlike(fresh[1], SOPClassUID="1.2.3.4.5")
    response = destination.store(payload([compressed.getvalue(), private, fresh[2].read_bytes()]))
    if destination.root == "/aets/empty":
        assert reasons(module(response, 200)) == []
    else:
        syntax, sop_class = reasons(module(response, 202))
        # It refuses presentation contexts without the transfer syntaxes that it takes, and does not say why.
        assert syntax in {TRANSFER_SYNTAX_NOT_SUPPORTED, SOP_CLASS_NOT_SUPPORTED}
        assert sop_class == SOP_CLASS_NOT_SUPPORTED


def test_10_5_2_nothing_is_coerced(destination: Destination, fresh: list[Path]) -> None:
    """So the Original Attributes Sequence of what was corrected is in no object, and in no answer."""
    odd = unlike(fresh[0], PatientID=" padded ", AccessionNumber="", StudyDescription="Ünïcödé")
    found = module(destination.store(payload([odd])), 200)
    held = destination.held()[sop_instance_uids(fresh[0])[0]]
    sent = pydicom.dcmread(BytesIO(odd))
    assert held == sent
    assert "OriginalAttributesSequence" not in held
    (item,) = values(found, "ReferencedSOPSequence")
    assert "OriginalAttributesSequence" not in keywords(item)


def test_10_5_all_origins_take_what_the_setting_says(http: httpx2.Client, fresh: list[Path]) -> None:
    """`dicomweb.store`; without it nobody knows which of several: 501."""
    headers = {"Content-Type": PAYLOAD}
    response = http.post("/dicomweb/studies", content=payload([fresh[0].read_bytes()]), headers=headers)
    problem(response, 501)
