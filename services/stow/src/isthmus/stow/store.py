"""Storing (PS3.18 10.5): the body into S3 as it comes, the job to a worker, its results to the client."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from isthmus.common.access import access_of
from isthmus.common.access.audit_layer import about_to_store
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.stores import run_store
from isthmus.common.dicom.uids import check_uid
from isthmus.common.dicom.xml_model import native_model
from isthmus.common.dicomweb.accept import Offer, accepted_by, negotiate
from isthmus.common.dicomweb.json_response import DicomJsonResponse
from isthmus.common.dicomweb.offers import DICOM_XML
from isthmus.common.dicomweb.problem import RETRY_AFTER_SECONDS
from isthmus.common.dicomweb.resource import origin_in, public_base_url, service_path
from isthmus.common.dicomweb.transactions import STORES
from isthmus.common.dicomweb.warning import warning_header
from isthmus.common.errors import NoWorker, OperationFailed
from isthmus.common.messages import BlobRef, InstanceStored
from isthmus.common.pixels.processes import PixelProcesses
from isthmus.common.telemetry import get_logger
from isthmus.stow.bulkdata import Bulkdata
from isthmus.stow.metadata import Metadata
from isthmus.stow.payload import parts_of
from isthmus.stow.reasons import NO_ANSWER, explain
from isthmus.stow.receive import Receiver
from isthmus.stow.response import Outcome, Report, study_url
from isthmus.stow.settings import StowSettings
from isthmus.stow.spool import Spool

MOST_WARNINGS: Final = 16
"""Warning headers of one answer."""

Answers = Mapping[int, InstanceStored]
"""The origin's answers, by the places of the instances in the spool."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Storing:
    """What the resources of this service stand on."""

    settings: StowSettings
    bus: Bus
    blobs: BlobStore
    processes: PixelProcesses


async def store(storing: Storing, request: Request) -> Response:
    """Store what the body holds, and say of each instance what became of it.

    Raises:
        UnknownOrigin: no such origin is configured.
        Forbidden: the client may not store where what is stored at all origins goes.
        NoDestination: nobody said which of the origins takes what is stored at all of them.
        UnsupportedMediaType: it is no payload that is taken.
        UnreadablePayload: nothing in it can be read.
        TooLarge: it has more metadata, or more parts, than are taken.
        OriginError: the origin gave no answer, not to a single instance.
        UnavailableError: the worker, NATS or S3 is away.
    """
    allowed = access_of(request).among(storing.settings.origins)
    origin = storing.settings.destination(origin_in(request.path_params), allowed)
    study = request.path_params.get("study")
    if study is not None:
        check_uid(study, "StudyInstanceUID")
    offer = negotiate(accepted_by(request), STORES[0].offers).offer
    base = public_base_url(request)
    service, url = base + service_path(origin), base + request.url.path
    parts = parts_of(request, storing.settings.part_limits)
    async with Spool(storing.blobs) as spool:
        received = await _receiver(storing, spool, url, study).receive(parts)
        await spool.settled()
        await about_to_store(request, origin, spool.refs)
        answers = await _send(storing.bus, spool, origin)
        outcomes = tuple(
            _outcome(spool.refs[each], answers.get(each)) if isinstance(each, int) else each
            for each in received.instances
        )
    report = Report(outcomes, tuple(received.others))
    _log(report)
    if len(answers) == len(outcomes) and not received.others:
        _raise_if_unanswered(answers)
    # A report of many instances takes seconds to write.
    return await asyncio.to_thread(_response, report, offer, service)


def _receiver(storing: Storing, spool: Spool, base: str, study: str | None) -> Receiver:
    bulkdata = Bulkdata(
        spool,
        storing.blobs,
        storing.processes,
        base=base,
        most_frame_bytes=storing.settings.most_frame_bytes,
    )
    metadata = Metadata(storing.processes, base, storing.settings.most_metadata_bytes)
    return Receiver(spool, bulkdata, metadata, study)


def _response(report: Report, offer: Offer, service: str) -> Response:
    studies_url = f"{service}/studies"
    module = report.module(studies_url)
    response: Response
    if offer is DICOM_XML:
        response = Response(native_model(module), report.status_code, media_type=offer.name)
    else:
        response = DicomJsonResponse(module, report.status_code, media_type=offer.name)
    if report.stored_study is not None:
        response.headers["Location"] = study_url(studies_url, report.stored_study)
    for status in report.statuses[:MOST_WARNINGS]:
        response.headers.append("Warning", warning_header(service, f"{status:04X}: {explain(status)}"))
    if response.status_code == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


async def _send(bus: Bus, spool: Spool, origin: str) -> Answers:
    if not spool.refs:
        return {}
    job = await spool.store(origin)
    answers = {}
    # From here on a worker may read the blobs, and go on when this request is cancelled or NATS fails us.
    spool.is_lent = True
    try:
        async with run_store(bus, job) as results:
            async for result in results:
                answers[result.index] = result
    except NoWorker:
        spool.is_lent = False
        raise
    spool.is_lent = False
    return answers


def _outcome(ref: BlobRef, answer: InstanceStored | None) -> Outcome:
    return Outcome(
        ref.study_instance_uid,
        ref.series_instance_uid,
        ref.sop_instance_uid,
        ref.sop_class_uid,
        NO_ANSWER if answer is None else answer.status,
    )


def _raise_if_unanswered(answers: Answers) -> None:
    """Raise why the origin gave no answer to any instance; one answer is enough for a report."""
    failures = [answer.failure for answer in answers.values() if answer.status == NO_ANSWER]
    errors = [failure.error() for failure in failures if failure is not None]
    if len(errors) == len(answers) and not any(isinstance(error, OperationFailed) for error in errors):
        raise errors[0]


def _log(report: Report) -> None:
    statuses = sorted({f"{outcome.status:04X}" for outcome in report.outcomes if not outcome.is_stored})
    if statuses or report.others:
        log.warning(
            "not all stored",
            instances=len(report.outcomes),
            statuses=statuses,
            others=sorted({f"{status:04X}" for status in report.others}),
        )
