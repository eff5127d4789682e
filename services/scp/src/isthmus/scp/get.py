"""C-GET: the instances go over the association that asked (PS3.4 C.4.3)."""

from typing import Final, cast

from pynetdicom.dimse_primitives import C_GET

from isthmus.common.auth import Right
from isthmus.common.dicom.statuses import SOP_CLASS_NOT_SUPPORTED
from isthmus.common.dimse import Association, Peer
from isthmus.common.dimse.hosted import hosted
from isthmus.common.dimse.results import SubOperationOf
from isthmus.common.errors import AssociationAborted, IsthmusError, OriginTimeout
from isthmus.scp.asked import Asked, AssociationOver, Response
from isthmus.scp.callers import Callers
from isthmus.scp.normalized import Refused
from isthmus.scp.retrieving.identifier import read_wished
from isthmus.scp.retrieving.outlet import Outlet, Outlets
from isthmus.scp.retrieving.source import Source
from isthmus.scp.retrieving.transfer import Transfer, serve

SILENCE_SECONDS: Final = 60.0
"""For a client to take an instance, and to answer it."""


class Get:
    """Answers C-GET requests."""

    def __init__(self, callers: Callers, source: Source, outlets: Outlets) -> None:
        """Prepare."""
        self._callers = callers
        self._source = source
        self._outlets = outlets

    def __call__(self, asked: Asked) -> Response:
        """Answer one, in the association's thread.

        Raises:
            Refused: the Identifier is none.
            IsthmusError: there was nothing to send, and why.
            AssociationOver: the client is gone.
        """
        if asked.model is None:
            raise Refused(SOP_CLASS_NOT_SUPPORTED, "No C-GET in this information model")
        wished = read_wished(asked.identifier(), asked.transfer_syntax_uid, asked.model)
        permits = self._callers.permits(asked.sender.principal, Right.RETRIEVE)
        transfer = Transfer(self._source, asked, wished, permits, waits_for_each=True)
        calling = asked.sender.calling
        peer = Peer(
            calling.calling_ae_title,
            calling.address,
            0,
            calling.calling_ae_title,
            calling.called_ae_title,
            SILENCE_SECONDS,
        )
        with hosted(asked.association, peer, asked.origin.name) as association:
            priority = cast("C_GET", asked.request).Priority
            outlet = Outlet(self._outlets, transfer.line, SubOperationOf(priority))

            async def send(transfer: Transfer) -> None:
                await _send_all(transfer, outlet, association)

            return serve(asked, transfer, send)


async def _send_all(transfer: Transfer, outlet: Outlet, association: Association) -> None:
    """Send what comes, one after the other.

    Raises:
        AssociationOver: the client broke off, or is silent.
    """
    while not transfer.is_given_up and (waiting := await transfer.line.take()) is not None:
        uid = waiting.blob.sop_instance_uid
        try:
            async with transfer.on_association:
                result = await outlet.send(association, waiting)
        except (AssociationAborted, OriginTimeout) as error:
            raise AssociationOver from error
        except IsthmusError as error:
            transfer.failed(uid, error)
        else:
            transfer.answered(uid, result.status)
