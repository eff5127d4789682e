"""The upper layer's thread outlives what it stumbles over, and says so to the peer (PS3.8 9.2).

A patch of pynetdicom, like those of `sockets`. An exception in an action of upstream's state machine ends its
thread: the peer hears nothing, and whoever negotiates waits for what has come already. Nor does an acceptor
learn of a request that was none. What is still to be said when the association is over is dropped here.
"""

import queue
from contextlib import suppress
from typing import Final

from pynetdicom.fsm import StateMachine
from pynetdicom.pdu import A_ABORT_RQ

from isthmus.common.telemetry import get_logger

_OVER: Final = frozenset({"Sta1", "Sta13"})
"""The states (PS3.8 9.2.1) of an association that is no more."""
_OF_OUR_OWN: Final = frozenset({"Evt7", "Evt8", "Evt9", "Evt11", "Evt14", "Evt15"})
"""Primitives that a thread of the association may issue just when its peer ends it (PS3.8 Table 9-10)."""
_SERVICE_PROVIDER: Final = 0x02
"""Who aborts (PS3.8 9.3.8)."""

log = get_logger(__name__)

upstream_action: Final = StateMachine.do_action


def do_action(machine: StateMachine, event: str) -> None:
    """Act on an event, instead of pynetdicom's method; what fails aborts the association."""
    association = machine.dul.assoc
    if event in _OF_OUR_OWN and machine.current_state in _OVER:
        with suppress(queue.Empty):  # upstream only looks at the first that waits: it would come again
            machine.dul.to_provider_queue.get(block=False)
        return
    try:
        upstream_action(machine, event)
    except Exception as error:  # noqa: BLE001 - upstream's actions raise anything; it may quote what came
        log.warning("the association fails and is aborted", error=type(error).__name__)
        _abort(machine)
        _end_patience(machine)
    if association.is_acceptor and association.requestor.primitive is None and _is_over(machine):
        _end_patience(machine)


def _end_patience(machine: StateMachine) -> None:
    """Tell whoever waits for the peer's part of the negotiation what a time-out does."""
    machine.dul.to_user_queue.put(None)


def _is_over(machine: StateMachine) -> bool:
    return machine.current_state in _OVER or machine.dul._kill_thread


def _abort(machine: StateMachine) -> None:
    """Do as upstream does where its thread fails elsewhere."""
    upper_layer = machine.dul
    request = A_ABORT_RQ()
    request.source = _SERVICE_PROVIDER
    request.reason_diagnostic = 0x00
    if upper_layer.socket is not None:
        upper_layer.socket.send(request.encode())
    upper_layer.assoc.is_aborted = True
    upper_layer.assoc.is_established = False
    upper_layer.assoc._kill = True
    upper_layer.kill_dul()
