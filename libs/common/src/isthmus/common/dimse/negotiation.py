"""Requesting an association (PS3.8 7.1, 9.3.2), and what it comes to."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.uid import UID
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association as Negotiated
from pynetdicom.pdu_primitives import A_ASSOCIATE, SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.transport import AddressInformation

from isthmus.common.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from isthmus.common.dimse.contexts import Context
from isthmus.common.dimse.peer import Peer
from isthmus.common.dimse.sockets import TunedSocket, install
from isthmus.common.errors import (
    AssociationAborted,
    AssociationRejected,
    NoAcceptedContext,
    OriginError,
    OriginTimeout,
    OriginUnreachable,
)

_SYNTAXES_NOT_SUPPORTED: Final = 0x04
_REJECTED: Final = (0x01, 0x02)
"""Results of A-ASSOCIATE (PS3.8 Table 9-21): permanent, transient."""
_AWAITS_RESPONSE: Final = "Sta5"  # PS3.8 9.2.1
_STATE_REST: Final = 0.001
"""Seconds between two looks at the state, which nobody tells of."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A presentation context that the origin accepted."""

    context_id: int
    abstract_syntax: str
    transfer_syntax_uid: str


def negotiate(peer: Peer, contexts: Sequence[Context], max_pdu: int) -> tuple[Negotiated, TunedSocket]:
    """Connect and negotiate; each step may take the peer's time-out.

    pynetdicom's own reactor thread, which would poll for requests, is never started: the operations read the
    queue of messages themselves, and only the thread of the upper layer runs.

    Raises:
        OriginUnreachable: no connection.
        AssociationRejected: with the peer's reason (PS3.8 9.3.4).
        NoAcceptedContext: the peer accepts nothing of what was proposed.
        OriginTimeout: connected, but no answer.
        AssociationAborted: the peer broke off.
    """
    install()
    began = time.monotonic()
    try:
        association, connection = _prepare(peer, contexts, max_pdu)
    except OSError as error:  # the host's name leads nowhere
        raise OriginUnreachable(
            f"{peer.host}:{peer.port}: {type(error).__name__}", origin=peer.origin
        ) from error
    association.request()
    if association.is_established:
        _await_state(association)
        return association, connection
    failure = _failure(peer, association, connection, time.monotonic() - began)
    connection._shutdown_socket()
    association.dul.join(peer.timeout)
    raise failure


def _await_state(association: Negotiated) -> None:
    """Wait for the upper layer, which changes its state only after it has confirmed (PS3.8 9.2.2, AE-3)."""
    upper_layer = association.dul
    while upper_layer.state_machine.current_state == _AWAITS_RESPONSE and upper_layer.is_alive():
        upper_layer.join(_STATE_REST)


def refused_syntaxes(association: Negotiated) -> frozenset[tuple[str, str]]:
    """Give the pairs of SOP class and transfer syntax of which it was the latter that the origin refused.

    Of the others it was the SOP class (PS3.8 Table 9-18).
    """
    numbers = {
        item.context_id for item in association.rejected_contexts if item.result == _SYNTAXES_NOT_SUPPORTED
    }
    return frozenset(
        (str(item.abstract_syntax), str(name))
        for item in association.requestor.requested_contexts
        if item.context_id in numbers
        for name in item.transfer_syntax
    )


def _prepare(peer: Peer, contexts: Sequence[Context], max_pdu: int) -> tuple[Negotiated, TunedSocket]:
    entity = ApplicationEntity(peer.calling_ae_title)
    entity.acse_timeout = entity.dimse_timeout = peer.timeout
    entity.network_timeout = entity.connection_timeout = peer.timeout
    remote = AddressInformation(peer.host, peer.port)
    local = AddressInformation("0.0.0.0" if remote.is_ipv4 else "::", 0)  # noqa: S104  # outgoing
    association = Negotiated(entity, "requestor")
    association.name = f"dimse-{peer.origin}"
    connection = TunedSocket(association, address=local)
    connection.tls = peer.tls
    association.set_socket(connection)
    association.acceptor.ae_title = peer.called_ae_title
    association.acceptor.address_info = remote
    requestor = association.requestor
    requestor.ae_title = peer.calling_ae_title
    requestor.address_info = local
    requestor.maximum_length = max_pdu
    requestor.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    requestor.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    requestor.requested_contexts = _numbered(contexts)
    for sop_class_uid in dict.fromkeys(context.abstract_syntax for context in contexts if context.as_scp):
        role = SCP_SCU_RoleSelectionNegotiation()
        role.sop_class_uid = sop_class_uid
        role.scu_role = False
        role.scp_role = True
        requestor.add_negotiation_item(role)
    return association, connection


def _numbered(contexts: Sequence[Context]) -> list[PresentationContext]:
    proposed = []
    for number, context in enumerate(contexts):
        item = build_context(context.abstract_syntax, list(context.transfer_syntaxes))
        item.context_id = 2 * number + 1
        proposed.append(item)
    return proposed


def _failure(peer: Peer, association: Negotiated, connection: TunedSocket, elapsed: float) -> OriginError:
    answer = association.acceptor.primitive
    if not connection.was_connected or (connection.insecure and answer is None):
        detail = _no_connection(peer, connection)
        return OriginUnreachable(detail, origin=peer.origin, tls_fault=connection.tls_fault)
    rejection = answer if association.is_rejected else _rejection_unseen(association)
    if rejection is not None:
        why = f"{rejection.result_str}, {rejection.reason_str}"
        return AssociationRejected(
            f"{peer.called_ae_title} rejected the association: {why}",
            origin=peer.origin,
            rejection=(rejection.result or 0, rejection.result_source or 0, rejection.diagnostic or 0),
        )
    if isinstance(answer, A_ASSOCIATE) and answer.result == 0 and not association.accepted_contexts:
        return NoAcceptedContext(
            f"{peer.called_ae_title} accepted none of the proposed presentation contexts",
            origin=peer.origin,
            refused_syntaxes=refused_syntaxes(association),
        )
    if elapsed >= peer.timeout:
        return OriginTimeout(
            f"{peer.called_ae_title} did not answer the association request within {peer.timeout:g} s",
            origin=peer.origin,
        )
    return AssociationAborted(f"{peer.called_ae_title} broke off the negotiation", origin=peer.origin)


def _no_connection(peer: Peer, connection: TunedSocket) -> str:
    if connection.insecure:
        return f"No TLS with {peer.host}:{peer.port}: {connection.insecure}"
    return f"No connection to {peer.host}:{peer.port}"


def _rejection_unseen(association: Negotiated) -> A_ASSOCIATE | None:
    """Give the rejection that nobody has taken, if there is one.

    Upstream takes a connection for one that failed if it is over before its thread sees that it is there.
    """
    left = association.dul.to_user_queue
    while not left.empty():
        primitive: object = left.get_nowait()
        if isinstance(primitive, A_ASSOCIATE) and primitive.result in _REJECTED:
            return primitive
    return None
