"""One C-GET or C-MOVE of the PACS (PS3.4 C.4.2, C.4.3), and what its behaviours make of it."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final

from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_GET, C_MOVE

from tests.pacs.archive import LEVELS, Instance
from tests.pacs.behaviour import SUCCESS, Ask, Behaviour, BreaksOff, Counters, Fails, Transmission
from tests.pacs.events import Event, Kind
from tests.pacs.sending import OUT_OF_RESOURCES, Sender, senders_to
from tests.pacs.session import Session

if TYPE_CHECKING:
    from tests.pacs.server import Server

CANCEL: Final = 0xFE00
PENDING: Final = 0xFF00
WARNING: Final = 0xB000
UNKNOWN_DESTINATION: Final = 0xA801

Respond = Callable[[int, Counters | None], None]


class Retrieving:
    """The sub-operations of one retrieve."""

    def __init__(
        self,
        assoc: Association,
        server: "Server",
        session: Session,
        request: C_GET | C_MOVE,
        behaviours: Sequence[Behaviour],
    ) -> None:
        self._assoc = assoc
        self._server = server
        self._session = session
        self._request = request
        self._behaviours = behaviours
        self._message_id = request.MessageID or 0
        self._counters = Counters(0)
        self._attempts = 0
        self._sent = 0
        self._sent_since_cancel = 0

    def run(self, keys: Dataset, respond: Respond) -> None:
        """Do it, responses and all.

        Raises:
            BreaksOff: as a behaviour has it.
        """
        try:
            instances = self._chosen(keys)
        except Fails as failure:
            respond(failure.status, None)
            return
        late = sum(behaviour.late() for behaviour in self._behaviours)
        prompt = len(instances) - late
        self._counters.remaining = len(instances)
        with self._senders(instances) as senders:
            status = self._send_all(instances[:prompt], senders, respond)
            for instance in instances[prompt:]:
                self._counters.count(instance, SUCCESS)
            end: tuple[int, Counters | None] = (status, self._counters)
            for behaviour in self._behaviours:
                end = behaviour.end(*end)
            respond(*end)
            for instance in instances[prompt:]:
                self._send([instance], senders)

    def _chosen(self, keys: Dataset) -> list[Instance]:
        requested = self._assoc.requestor.requested_contexts
        level = str(keys.QueryRetrieveLevel)
        uids = keys.get(LEVELS[level], "")
        ask = Ask(
            level=level,
            uids=1 if isinstance(uids, str) else len(uids),
            offered=frozenset(
                (str(cx.abstract_syntax), str(ts)) for cx in requested for ts in cx.transfer_syntax
            ),
            held=self._server.archive.instances,
        )
        instances = self._server.archive.select(keys)
        for behaviour in self._behaviours:
            behaviour.on_ask(ask)
            instances = behaviour.choose(ask, instances)
        if (
            isinstance(self._request, C_MOVE)
            and self._request.MoveDestination not in self._server.destinations
        ):
            raise Fails(UNKNOWN_DESTINATION)
        return instances

    def _senders(self, instances: Sequence[Instance]) -> AbstractContextManager[list[Sender]]:
        if isinstance(self._request, C_GET) or not instances:
            return nullcontext([Sender(self._assoc)])
        destination = self._server.destinations[str(self._request.MoveDestination)]
        count = max((behaviour.associations() for behaviour in self._behaviours), default=1)
        return senders_to(destination, self._server.ae_title, instances, count)

    def _send_all(self, instances: Sequence[Instance], senders: Sequence[Sender], respond: Respond) -> int:
        """Do the sub-operations, and give the status that the whole then has (PS3.4 C.4.2.1.5)."""
        if not senders:
            for instance in instances:
                self._counters.count(instance, OUT_OF_RESOURCES)
            return OUT_OF_RESOURCES
        self._progress()
        try:
            for group in _groups(instances, len(senders)):
                if self._is_stopped(len(group)):
                    return CANCEL
                for instance, status in zip(group, self._send(group, senders), strict=True):
                    self._counted(instance, status, respond)
        except Fails as failure:
            return failure.status
        if not self._counters.failed and not self._counters.warning:
            return SUCCESS
        return WARNING if self._counters.completed or self._counters.warning else OUT_OF_RESOURCES

    def _counted(self, instance: Instance, status: int | None, respond: Respond) -> None:
        if status is None and isinstance(self._request, C_GET):
            raise BreaksOff
        failed = len(self._counters.failed)
        self._counters.count(instance, OUT_OF_RESOURCES if status is None else status)
        if len(self._counters.failed) > failed:
            for behaviour in self._behaviours:
                behaviour.on_failed_suboperation()
        if all(behaviour.tells_progress() for behaviour in self._behaviours):
            respond(PENDING, self._counters)
        self._progress()

    def _progress(self) -> None:
        for behaviour in self._behaviours:
            behaviour.on_progress(self._sent)

    def _is_stopped(self, following: int) -> bool:
        """Wait as a behaviour has it, and tell whether a C-CANCEL or the peer's end stops it."""
        pause = sum(behaviour.pause_seconds() for behaviour in self._behaviours)
        if self._heeds_cancel():
            self._session.wait(self._message_id, pause)
        else:
            self._session.wait_for_end(pause)
        if self._session.closed:
            return True
        if not self._session.cancelled(self._message_id):
            return False
        for behaviour in self._behaviours:
            seconds = behaviour.hangs_when_cancelled()
            if seconds is not None:
                self._session.wait_for_end(seconds)
                raise BreaksOff
        stopped = self._heeds_cancel()
        self._sent_since_cancel += following
        return stopped

    def _heeds_cancel(self) -> bool:
        return all(behaviour.heeds_cancel(self._sent_since_cancel) for behaviour in self._behaviours)

    def _send(self, group: Sequence[Instance], senders: Sequence[Sender]) -> list[int | None]:
        """Send instances at once, one over each association, and give their statuses."""
        transmissions = []
        for instance in group:
            transmissions.append(self._transmission(instance))
            self._attempts += 1
        if len(transmissions) == 1:
            return [self._send_one(transmissions[0], senders[0])]
        with ThreadPoolExecutor(len(group)) as threads:
            return list(threads.map(self._send_one, transmissions, senders))

    def _transmission(self, instance: Instance) -> Transmission | int:
        """How an instance is sent, or the status of its sub-operation where it is not."""
        for behaviour in self._behaviours:
            failure = behaviour.suboperation_status(instance)
            if failure != SUCCESS:
                return failure
        moving = isinstance(self._request, C_MOVE)
        transmission = Transmission(
            instance=instance,
            data=instance.data,
            command_uid=instance.sop_instance_uid,
            originator=(str(self._assoc.requestor.ae_title), self._message_id) if moving else (None, None),
        )
        for behaviour in self._behaviours:
            transmission = behaviour.transmit(transmission, self._attempts)
        self._sent += 1
        return transmission

    def _send_one(self, transmission: Transmission | int, sender: Sender) -> int | None:
        if isinstance(transmission, int):
            return transmission
        status = sender.send(transmission)
        self._server.emit(
            Event(
                kind=Kind.SENT,
                association=self._session.number,
                sop_instance_uid=transmission.instance.sop_instance_uid,
                status=status,
            )
        )
        return status


def _groups(instances: Sequence[Instance], size: int) -> Iterator[Sequence[Instance]]:
    for start in range(0, len(instances), size):
        yield instances[start : start + size]
