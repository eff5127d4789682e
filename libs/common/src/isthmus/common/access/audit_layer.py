"""The ASGI layer around all others of a face that has each request recorded, those that are refused too."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from isthmus.common.access.audit_trail import AuditTrail, open_notes
from isthmus.common.access.http import ACCESS, FAILURE, POLICY, PRINCIPAL, AccessRoute
from isthmus.common.auth import Kind, Principal, Right
from isthmus.common.bus.audit import now, record_of
from isthmus.common.dicomweb.problem import problem_response
from isthmus.common.dicomweb.resource import ALL
from isthmus.common.errors import IsthmusError, UnavailableError
from isthmus.common.messages import BlobRef
from isthmus.common.messages.audit import ActionCode, AuditEvent, AuditRecord, AuditType, Outcome
from isthmus.common.telemetry import get_logger

LONGEST: Final = 8192
"""Characters of a query, or of anything else that a client may make as long as he likes."""
_EXCHANGE: Final = "isthmus.audit"
_URI: Final = {"study": "studyUID", "series": "seriesUID", "instance": "objectUID"}
"""What the parameters of WADO-URI are called (PS3.18 9.4.1)."""
_PATIENT_ID: Final = frozenset({"PatientID", "00100020"})

log = get_logger(__name__)


class AuditLayer:
    """Has requests recorded before their answers are complete."""

    def __init__(self, app: ASGIApp, trail: AuditTrail) -> None:
        self._app = app
        self._trail = trail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = scope[_EXCHANGE] = _Exchange(self._trail, scope, receive, send)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        finally:
            await exchange.end()


async def about_to_delete(connection: HTTPConnection, origin: str, study: str) -> None:
    """Record that something of a study is about to be deleted, while it is still known whose it is.

    Raises:
        BusUnavailable: that cannot be recorded: it must not be deleted.
    """
    exchange = connection.scope.get(_EXCHANGE)
    if isinstance(exchange, _Exchange):
        await exchange.deleting(origin, study)


async def about_to_store(connection: HTTPConnection, origin: str, blobs: Sequence[BlobRef]) -> None:
    """Record that instances are about to go to an origin, before any of them does.

    Raises:
        BusUnavailable: that cannot be recorded: they must not go.
    """
    exchange = connection.scope.get(_EXCHANGE)
    if isinstance(exchange, _Exchange):
        await exchange.storing(origin, blobs)


class _Exchange:
    """A request and its answer, on its way to the client."""

    def __init__(self, trail: AuditTrail, scope: Scope, receive: Receive, send: Send) -> None:
        self._trail = trail
        self._scope = scope
        self._receive = receive
        self._send = send
        self._notes = open_notes()
        self._start: Message | None = None
        self._is_out = False
        """Whether the status line is, and its record on disk."""
        self._ends: AuditRecord | None = None
        """What is recorded when all of the body is out."""
        self._broken: AuditRecord | None = None
        """What is recorded if it never is."""
        self._stored: Mapping[str, AuditRecord] = {}

    async def receive(self) -> Message:
        """Hand on what the client sends."""
        return await self._receive()

    async def deleting(self, origin: str, study: str) -> None:
        """Record what is about to be deleted."""
        await self._trail.learn_of_inbox(origin, study)
        await self._trail.write(self._deletes(await self._about_study(HTTPStatus.OK)))

    async def storing(self, origin: str, blobs: Sequence[BlobRef]) -> None:
        """Record what is about to be stored."""
        record = replace(
            self._record(HTTPStatus.OK),
            origin=origin,
            event=AuditEvent.INSTANCES_TRANSFERRED,
            action_code=ActionCode.CREATE,
        )
        self._stored = await self._trail.storing(record, blobs)

    async def send(self, message: Message) -> None:
        """Hand on the answer, as far as what happened is recorded."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        is_last = not message.get("more_body", False)
        if not self._is_out and not await self._begin(whole=is_last):
            return
        if is_last:
            if self._ends is not None:
                count = self._notes.instances or None
                await self._trail.write(replace(self._ends, time=now(), instances=count))
            self._ends = self._broken = None
        await self._send(message)

    async def _begin(self, *, whole: bool) -> bool:
        """Record what happened and let the status line out; False if another answer went out instead."""
        start = self._start
        assert start is not None  # noqa: S101 - ASGI has it so
        status = HTTPStatus(start["status"])
        try:
            await self._recorded(status, whole=whole)
        except UnavailableError as error:
            if status < HTTPStatus.BAD_REQUEST or status is HTTPStatus.FORBIDDEN or self._failure is not None:
                self._is_out = True
                await problem_response(error)(self._scope, self._receive, self._send)
                if whole:
                    return False
                raise  # whoever makes the body has nobody to make it for
            log.warning("a failure is not recorded", status=int(status), reason=error.detail)
        self._is_out = True
        await self._send(start)
        return True

    async def end(self) -> None:
        """Record a body that was broken off: part of it may have been read."""
        if self._broken is None:
            return
        reason = "The answer was broken off"
        broken = replace(self._broken, time=now(), outcome=Outcome.FAILED, reason=reason)
        self._broken = None
        try:
            await asyncio.shield(self._trail.write(broken))
        except UnavailableError as error:  # that it began is on disk
            log.warning("the end of an answer is not recorded", reason=error.detail)

    async def _recorded(self, status: HTTPStatus, *, whole: bool) -> None:
        if self._failure is not None:
            await self._trail.write_refusal(self._unauthenticated(status, self._failure))
            return
        if status is HTTPStatus.FORBIDDEN or self._is_refused(status):
            await self._trail.write_refusal(self._refused(status))
            return
        route = self._scope.get("route")
        right = route.right if isinstance(route, AccessRoute) else None
        if right is Right.SEARCH:
            await self._trail.write(self._searched(status))
        elif right is Right.STORE:
            await self._was_stored(status)
        elif right is Right.DELETE:
            await self._deleted(status)
        elif right is Right.RETRIEVE:
            await self._retrieved(status, whole=whole)

    def _is_refused(self, status: HTTPStatus) -> bool:
        """Tell whether an origin is not there for this client, where it may be for others."""
        if status is not HTTPStatus.NOT_FOUND or ACCESS in self._scope:
            return False
        policy = self._scope.get(POLICY)
        return policy is not None and not policy.is_open and isinstance(self._scope.get("route"), AccessRoute)

    @property
    def _failure(self) -> IsthmusError | None:
        """Why nobody knows who sends it; None where that is no matter."""
        failure = self._scope.get(FAILURE)
        return failure if isinstance(failure, IsthmusError) else None

    def _unauthenticated(self, status: HTTPStatus, failure: IsthmusError) -> AuditRecord:
        """Say that an authentication failed, and why: errors quote nothing of a credential."""
        cannot_tell = isinstance(failure, UnavailableError)
        return replace(
            self._record(status),
            outcome=Outcome.FAILED if cannot_tell else Outcome.REFUSED,
            event=AuditEvent.USER_AUTHENTICATION,
            event_type=AuditType.LOGIN,
            reason=f"HTTP {status.value}: {failure.detail}",
        )

    def _refused(self, status: HTTPStatus) -> AuditRecord:
        return replace(
            self._record(status),
            outcome=Outcome.REFUSED,
            event=AuditEvent.SECURITY_ALERT,
            event_type=AuditType.USE_OF_RESTRICTED_FUNCTION,
        )

    def _searched(self, status: HTTPStatus) -> AuditRecord:
        query = self._scope["query_string"][:LONGEST].decode("latin-1")
        named = [value for name, value in parse_qsl(query) if name in _PATIENT_ID]
        return replace(
            self._record(status),
            event=AuditEvent.QUERY,
            query=query,
            patients=tuple(one for one in named if one and not {"*", "?"} & {*one}),
        )

    async def _was_stored(self, status: HTTPStatus) -> None:
        for record in self._stored.values():
            await self._trail.write(replace(_with(record, status), time=now()))
        if not self._stored and status >= HTTPStatus.BAD_REQUEST:
            record = self._record(status)
            await self._trail.write(replace(record, event=AuditEvent.BEGIN_TRANSFERRING))

    async def _deleted(self, status: HTTPStatus) -> None:
        record = await self._about_study(status)
        if status >= HTTPStatus.BAD_REQUEST:
            await self._trail.write(self._deletes(record))
        elif not record.series:  # of a part it was said before
            event, code = AuditEvent.STUDY_DELETED, ActionCode.DELETE
            await self._trail.write(replace(record, event=event, action_code=code))

    def _deletes(self, record: AuditRecord) -> AuditRecord:
        return replace(record, event=AuditEvent.INSTANCES_ACCESSED, action_code=ActionCode.DELETE)

    async def _retrieved(self, status: HTTPStatus, *, whole: bool) -> None:
        if (self._is_part() or status is HTTPStatus.NOT_MODIFIED) and status < HTTPStatus.BAD_REQUEST:
            record = self._reads(self._of_study(status))
            key = (record.who, record.address, record.origin, *record.studies)
            await self._trail.write_once(record, key, self._notes.first)
            return
        record = self._reads(await self._about_study(status))
        if status >= HTTPStatus.BAD_REQUEST:
            await self._trail.write(record)
            return
        goes = begins = replace(record, event=AuditEvent.INSTANCES_TRANSFERRED)
        if not whole and not record.instance:
            event, code = AuditEvent.BEGIN_TRANSFERRING, ActionCode.EXECUTE
            begins = replace(record, event=event, action_code=code)
        await self._trail.write(begins)
        if not whole:
            self._broken = goes
            self._ends = None if begins is goes else goes

    def _reads(self, record: AuditRecord) -> AuditRecord:
        return replace(record, event=AuditEvent.INSTANCES_ACCESSED, action_code=ActionCode.READ)

    def _is_part(self) -> bool:
        """Tell whether it is less than objects as they are: metadata, bulk data, pixels."""
        path, params = self._scope["path"], self._scope["path_params"]
        if self._scope["method"] == "HEAD" or any(name == b"range" for name, _ in self._scope["headers"]):
            return True
        deepest = params.get("instance") or params.get("series") or params.get("study")
        if deepest is None:  # WADO-URI
            return self._parameters().get("contentType", "").partition(";")[0] != "application/dicom"
        return not path.endswith(f"/{deepest}")

    async def _about_study(self, status: HTTPStatus) -> AuditRecord:
        record = self._of_study(status)
        if not record.studies:
            return record
        patients = await self._trail.patients_of(record.origin, record.studies[0], self._notes.first)
        return replace(record, patients=patients)

    def _of_study(self, status: HTTPStatus) -> AuditRecord:
        record = self._record(status)
        if record.studies:
            return record
        given = self._parameters()
        study, series, instance = (given.get(name, "") for name in _URI.values())
        return replace(record, studies=(study,) if study else (), series=series, instance=instance)

    def _parameters(self) -> Mapping[str, str]:
        query = self._scope["query_string"][:LONGEST].decode("latin-1")
        return {name: value[:64] for name, value in parse_qsl(query)}

    def _record(self, status: HTTPStatus) -> AuditRecord:
        """Give what is known of every request."""
        scope = self._scope
        who, client = scope.get(PRINCIPAL), scope.get("client")
        principal = who if isinstance(who, Principal) else None
        nobody = Principal(Kind.ANYONE, address=client[0] if client else "")
        params: Mapping[str, str] = scope.get("path_params", {})
        study = params.get("study")
        record = replace(
            record_of(self._trail.service, scope["method"][:16], principal or nobody),
            kind="" if principal is None else principal.kind,  # by what does not hold nobody is known
            origin=params.get("origin", ALL if isinstance(scope.get("route"), AccessRoute) else "")[:64],
            studies=(study[:LONGEST],) if study else (),
            series=params.get("series", "")[:LONGEST],
            instance=params.get("instance", "")[:LONGEST],
            resource=scope["path"][:LONGEST],
        )
        return _with(record, status)


_IN_PART: Final = frozenset({HTTPStatus.ACCEPTED, HTTPStatus.PARTIAL_CONTENT})
"""Something of it was not stored, or is not sent."""


def _with(record: AuditRecord, status: HTTPStatus) -> AuditRecord:
    """Say in a record what became of it."""
    if status in _IN_PART:
        return replace(record, reason=f"HTTP {status.value}")
    if status < HTTPStatus.BAD_REQUEST:
        return record
    return replace(record, outcome=Outcome.FAILED, reason=f"HTTP {status.value}")
