"""A running system answers as docs/openapi.yaml says: statuses, media types, JSON (schemathesis)."""

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Err
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.data_sets import identity, make_series
from tests.documents.openapi import document
from tests.system.multipart import PAYLOAD, payload

INBOX: Final = "inbox"
UNKNOWN: Final = "1.2.3.4"
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXAMPLES: Final = {GenerationMode.POSITIVE: 4, GenerationMode.NEGATIVE: 1}
"""For each operation: what is allowed, and what is not."""
EXAMPLES_OF_ALL: Final = 1
"""Of what is allowed below /dicomweb, which is the same for all origins at once."""
ACCEPTED: Final = (
    *(
        "application/dicom+json",
        "application/json",
        "application/dicom",
        "*/*",
        "image/png",
        "image/jpeg;q=0.5",
    ),
    *('multipart/related; type="application/dicom"; transfer-syntax=*', "application/zip", "text/html"),
    *('multipart/related; type="application/octet-stream"', "application/octet-stream"),
    'multipart/related; type="application/dicom+xml"',
)
VALUES: Final[Mapping[str, Sequence[str]]] = {
    "origin": [INBOX],
    "frames": ["1", "1,1", "2"],
    "accept": ACCEPTED,
    "contentType": ["image/jpeg", "application/dicom", "text/plain"],
    "charset": ["utf-8"],
    "viewport": ["64,64"],
    "window": ["40,400,linear"],
    "annotation": ["patient"],
    "imageAnnotation": ["technique"],
    "region": ["0,0,.5,.5"],
    "presentationUID": [UNKNOWN],
}
"""What parameters may be where nothing is to be wrong; of the others anything."""
KEYS: Final = ("StudyInstanceUID", "00080060", "StudyDate", "PatientID", "ModalitiesInStudy", "00100010")


@pytest.fixture(scope="module")
def stored(inboxes_http: httpx2.Client, tmp_path_factory: pytest.TempPathFactory, pushed: list[Path]) -> Path:
    """An image that the inbox holds."""
    (file,) = make_series(tmp_path_factory.mktemp("described"), 1, seed=4711)
    pushed.append(file)
    content = payload([file.read_bytes()])
    response = inboxes_http.post(f"/aets/{INBOX}/studies", content=content, headers={"Content-Type": PAYLOAD})
    assert response.status_code == 200
    return file


def described(file: Path) -> dict[str, Any]:
    """Give the description with values that lead somewhere: to what the inbox holds."""
    described = cast("dict[str, Any]", document())
    who = identity(file)
    uids = (who.study_instance_uid, who.series_instance_uid, who.sop_instance_uid)
    values = {
        **VALUES,
        **{name: [uid] for name, uid in zip(("study", "series", "instance"), uids, strict=True)},
        **{name: [uid] for name, uid in zip(("studyUID", "seriesUID", "objectUID"), uids, strict=True)},
    }
    for parameter in described["components"]["parameters"].values():
        if parameter["name"] in values:
            parameter["schema"] = {"enum": values[parameter["name"]]}
    described["components"]["parameters"]["q-attributes"]["schema"] = {
        "type": "object",
        "propertyNames": {"enum": list(KEYS)},
        "additionalProperties": {"enum": ["", "*", "CT", "20200101-", who.study_instance_uid]},
    }
    return described


def operations(file: Path) -> Iterator[APIOperation[Any, Any, Any, Any]]:
    """Give all that the gateway serves; probes are at each service's own address."""
    schema = schemathesis.openapi.from_dict(described(file))
    for found in schema.get_all_operations():
        assert not isinstance(found, Err)
        operation = found.ok()
        if not operation.path.startswith(("/healthz", "/readyz", "/metrics")):
            yield operation


def answer(http: httpx2.Client, case: Case[Any]) -> httpx2.Response:
    """Send what was thought of."""
    if case.method == "DELETE" and "study" in (case.path_parameters or {}):
        case.path_parameters["study"] = UNKNOWN  # what is there is for the others
    body = case.body if isinstance(case.body, bytes | str) else b""
    headers = dict(case.headers or {})
    if "accept" in (case.query or {}):
        headers["Accept"] = "text/nothing"  # else it would count where the parameter fits nothing
    if case.media_type is not None:
        headers["Content-Type"] = case.media_type
    return http.request(
        case.method, case.formatted_path, params=case.query, headers=headers, content=body or None
    )


def test_every_answer_is_described(inboxes_http: httpx2.Client, stored: Path) -> None:
    statuses = set()
    for operation in operations(stored):
        for mode, examples in EXAMPLES.items():
            most = EXAMPLES_OF_ALL if operation.path.startswith("/dicomweb") else examples

            @settings(
                max_examples=most,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def asked(case: Case[Any]) -> None:
                response = answer(inboxes_http, case)
                statuses.add(response.status_code)
                case.validate_response(response, checks=CHECKS)

            with suppress(Unsatisfiable):  # nothing can be wrong where nothing can be said
                asked()
    assert {200, 400, 404, 405, 406} <= statuses


def test_a_query_that_is_no_text_is_refused_everywhere(inboxes_http: httpx2.Client, stored: Path) -> None:
    study = identity(stored).study_instance_uid
    for path in ("/aets", f"/aets/{INBOX}/studies", f"/aets/{INBOX}/studies/{study}/metadata"):
        asked = f"GET {path}?accept=".encode() + b"\x92 HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
        with socket.create_connection((inboxes_http.base_url.host, inboxes_http.base_url.port)) as connection:
            connection.sendall(asked)
            answered = connection.makefile("rb").read()
        assert answered.startswith(b"HTTP/1.1 400 ")
        assert b"application/problem+json" in answered
