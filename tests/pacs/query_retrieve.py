"""C-FIND, C-GET and C-MOVE of the PACS (PS3.4 C.4), in place of pynetdicom's own, which would re-encode."""

from io import BytesIO
from typing import TYPE_CHECKING, Final

from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_FIND, C_GET, C_MOVE
from pynetdicom.dsutils import decode, encode
from pynetdicom.presentation import PresentationContext
from pynetdicom.service_class import QueryRetrieveServiceClass

from tests.pacs.behaviour import SUCCESS, Behaviour, BreaksOff, Counters, Fails, comment_of
from tests.pacs.events import Event, Kind, Operation
from tests.pacs.retrieve import CANCEL, PENDING, Retrieving
from tests.pacs.sending import hang_up

if TYPE_CHECKING:
    from tests.pacs.server import Server

Request = C_FIND | C_GET | C_MOVE
OPERATIONS: Final = {C_FIND: Operation.FIND, C_GET: Operation.GET, C_MOVE: Operation.MOVE}


class QueryRetrieve(QueryRetrieveServiceClass):
    """Serves one operation, in the association's thread."""

    def __init__(self, assoc: Association, server: "Server") -> None:
        super().__init__(assoc)
        self._server = server
        self._comment = ""
        self._session = server.session(assoc)

    def SCP(self, req: Request, context: PresentationContext) -> None:  # noqa: N802  pynetdicom's name
        """Serve this request."""
        syntax = context.transfer_syntax[0]
        keys = decode(req.Identifier or BytesIO(), syntax.is_implicit_VR, syntax.is_little_endian)
        operation = OPERATIONS[type(req)]
        behaviours = self._server.begin(operation, self._session, keys)
        self._comment = comment_of(behaviours)
        try:
            if not all(behaviour.answers(self._session.served) for behaviour in behaviours):
                self._session.wait_for_end()
                return
            if isinstance(req, C_FIND):
                self._find(req, context, keys, behaviours)
            else:
                self._retrieve(req, context, keys, behaviours)
            if any(behaviour.drops() for behaviour in behaviours):
                hang_up(self.assoc, reset=False)
        except BreaksOff as end:
            if end.reset:
                hang_up(self.assoc, reset=True)
            else:
                self.assoc.abort()
        finally:
            self._session.end(req.MessageID or 0)

    def _find(
        self, req: C_FIND, context: PresentationContext, keys: Dataset, behaviours: list[Behaviour]
    ) -> None:
        keywords = [key.keyword for key in keys]
        ignored = {keyword for behaviour in behaviours for keyword in behaviour.ignored_keys(keywords)}
        matches = self._server.archive.find(keys, ignored=ignored)
        status = SUCCESS
        try:
            for behaviour in behaviours:
                matches = behaviour.select_matches(str(keys.QueryRetrieveLevel), matches)
            for number, match in enumerate([*matches, None]):
                for behaviour in behaviours:
                    behaviour.on_match(number)
                if match is None:
                    pause = sum(behaviour.pause_seconds() for behaviour in behaviours)
                    self._session.wait(req.MessageID or 0, pause)
                if self._session.cancelled(req.MessageID or 0):
                    status = CANCEL
                    break
                if match is not None:
                    self._respond(req, context, PENDING, identifier=match)
        except Fails as failure:
            status = failure.status
        self._respond(req, context, status)

    def _retrieve(
        self, req: C_GET | C_MOVE, context: PresentationContext, keys: Dataset, behaviours: list[Behaviour]
    ) -> None:
        def respond(status: int, counters: Counters | None) -> None:
            self._respond(req, context, status, counters=counters)

        Retrieving(self.assoc, self._server, self._session, req, behaviours).run(keys, respond)

    def _respond(
        self,
        req: Request,
        context: PresentationContext,
        status: int,
        *,
        identifier: Dataset | None = None,
        counters: Counters | None = None,
    ) -> None:
        response = type(req)()
        response.MessageIDBeingRespondedTo = req.MessageID
        response.AffectedSOPClassUID = req.AffectedSOPClassUID
        response.Status = status
        if self._comment and status not in (SUCCESS, PENDING):
            response.ErrorComment = self._comment  # type: ignore[assignment]  # declared as None alone
        if counters is not None and not isinstance(response, C_FIND):
            if status in (PENDING, CANCEL):
                response.NumberOfRemainingSuboperations = counters.remaining
            response.NumberOfCompletedSuboperations = counters.completed
            response.NumberOfFailedSuboperations = len(counters.failed)
            response.NumberOfWarningSuboperations = counters.warning
            if counters.failed and status != PENDING:
                identifier = Dataset()
                identifier.FailedSOPInstanceUIDList = counters.failed
        if identifier is not None:
            syntax = context.transfer_syntax[0]
            encoded = encode(identifier, syntax.is_implicit_VR, syntax.is_little_endian)
            response.Identifier = BytesIO(encoded or b"")
        if status != PENDING:
            # Told before it is done: when the client has its answer, the test can see it.
            self._server.emit(
                Event(
                    kind=Kind.ENDED,
                    association=self._session.number,
                    operation=OPERATIONS[type(req)],
                    status=status,
                )
            )
        self.dimse.send_msg(response, int(context.context_id or 0))
