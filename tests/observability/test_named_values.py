"""What alerts, dashboards and the chart choose by is what the code says: by another word they see nothing."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from typing import Final

import pytest

from isthmus.common.blobs.rights import SERVICES
from isthmus.common.bus.backlog import Queue
from isthmus.common.bus.submitted import Lane
from isthmus.common.dicom.statuses import (
    OUT_OF_RESOURCES,
    PENDING,
    PENDING_WITHOUT_OPTIONAL_KEYS,
    PROCESSING_FAILURE,
    SUCCESS,
    UNABLE_TO_PROCESS,
    as_attribute,
)
from isthmus.common.dimse.measured import DIRECTIONS, Role
from isthmus.common.dimse.status import Operation
from isthmus.common.retrieval.read import Result
from isthmus.common.retrieving.measured import Ending
from isthmus.common.telemetry.traffic import DISCONNECTED
from tests.deploy.rendering import render
from tests.observability.dashboards.sources import dashboards
from tests.observability.promql import words
from tests.observability.rules import recordings, rules

STATUSES: Final = (
    SUCCESS,
    PENDING,
    PENDING_WITHOUT_OPTIONAL_KEYS,
    PROCESSING_FAILURE,
    OUT_OF_RESOURCES,
    UNABLE_TO_PROCESS,
)
OF_HTTP: Final = {str(status) for status in range(100, 600)}
SAID: Final[Mapping[str, set[str]]] = {
    "dicom_operation": {one.value for one in Operation},
    "dicom_role": {one.value for one in Role},
    "dicom_status": {*map(as_attribute, STATUSES)},
    "error_type": {*OF_HTTP, DISCONNECTED, asyncio.CancelledError.__qualname__},
    "http_response_status_code": OF_HTTP,
    "isthmus_lane": {one.value for one in Lane},
    "isthmus_outcome": {one.value for one in Ending},
    "isthmus_queue": {one.value for one in Queue},
    "isthmus_result": {one.value for one in Result},
    "network_io_direction": {*DIRECTIONS.values()},
    "service": {*SERVICES},
}
"""By label."""
OF_OTHERS: Final = {"alertstate", "dicom_origin", "job", "namespace", "type"}
"""Labels whose values Prometheus, S3, Kubernetes or settings say."""


def expressions() -> Iterator[str]:
    yield from (one.expression for one in rules())
    yield from (one.expression for one in recordings())
    for dashboard in dashboards().values():
        yield from (query.expr for panel in dashboard.panels for query in panel.queries)
    services: Mapping[str, object] = {"dimse-scu": {"origins": "pacs"}}
    scaled = render({"autoscaling": {"kind": "keda", "services": services}}).of_kind("ScaledObject")
    yield from (one["spec"]["triggers"][0]["metadata"]["query"] for one in scaled.values())


NAMED: Final = sorted({word for expression in expressions() for word in words(expression)})


def test_it_is_known_of_each_label_who_says_its_values() -> None:
    assert {label for label, _ in NAMED} <= SAID.keys() | OF_OTHERS


@pytest.mark.parametrize(("label", "word"), [one for one in NAMED if one[0] in SAID and one[1]])
def test_what_is_chosen_by_is_said_by_the_code(label: str, word: str) -> None:
    assert any(re.fullmatch(word, said) for said in SAID[label])
