"""What each user of the bus may publish and hear, and a connection that tries it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from isthmus.common.bus import accounts
from isthmus.common.bus.accounts import SERVICES
from isthmus.common.bus.connection import Connection

NAMES = tuple(SERVICES)
PUBLISHED = {
    "dicom.query.pacs": {"qido", "wado", "stow", "scp", "arrivals"},
    "dicom.worklist.pacs": {"scp"},
    "dicom.echo.pacs": {"qido", "scp", "arrivals"},
    "dicom.retrieve.pacs.interactive.1=2": {"wado", "scp"},
    "dicom.ahead.pacs.1=2": {"wado", "scp"},
    "dicom.store.pacs": {"stow", "scp", "arrivals"},
    "dicom.delete.inbox": {"stow"},
    "dicom.received.pacs.1=2": {"scp"},
    "dicom.interest.pacs.1=2.g": {"dimse-scu", "web-scu"},
    "dicom.progress.pacs.1=2.g": {"dimse-scu", "web-scu"},
    "dicom.stored.pacs.job": {"dimse-scu", "web-scu"},
    "dicom.events.instance.stored.inbox": {"scp", "web-scu", "arrivals"},
    "dicom.events.study.arrived.inbox": {"arrivals"},
    "dicom.timer.set.inbox.1=2": {"arrivals"},
    "dicom.timer.fired.inbox.1=2": set(),
    "dicom.forward.pacs.inbox.1=2": {"scp", "arrivals"},
    "dicom.dead.forward.pacs.inbox.1=2": {"arrivals"},
    "dicom.audit.qido.accepted": {"qido"},
    "dicom.audit.scp.accepted": {"scp"},
    "$KV.KEYS.key.1": set(),
    "$KV.INBOXES.inbox.1=2": {"web-scu", "arrivals"},
    "$JS.API.STREAM.MSG.GET.JOBS": {"wado", "scp", "dimse-scu", "web-scu", "arrivals"},
    "$JS.API.STREAM.MSG.GET.EVENTS": {"arrivals"},
    "$JS.API.STREAM.MSG.GET.AUDIT": set(),
    "$JS.API.STREAM.MSG.GET.KV_KEYS": set(),
    "$JS.API.CONSUMER.CREATE.JOBS.spy.dicom.retrieve.>": {"dimse-scu", "web-scu"},
    "$JS.API.CONSUMER.CREATE.EVENTS.spy.dicom.events.>": {"scp", "arrivals"},
    "$JS.API.CONSUMER.CREATE.AUDIT.spy.dicom.audit.>": {"arrivals"},
    "$JS.API.STREAM.UPDATE.JOBS": {"arrivals"},
    "$JS.API.STREAM.DELETE.JOBS": set(),
    "$JS.API.STREAM.PURGE.EVENTS": set(),
    "$JS.API.STREAM.PURGE.AUDIT": set(),
    "$JS.API.STREAM.CREATE.SPY": set(),
    "$JS.API.STREAM.CREATE.JOBS": set(NAMES),
    "$JS.API.STREAM.LIST": set(),
    "_INBOX_wado.guessed.answer": set(),
    "_INBOX_isthmus.guessed.answer": set(),
}
"""Who may publish where; a subscriber nowhere of it."""
HEARD = {
    "dicom.query.pacs": {"dimse-scu", "web-scu"},
    "dicom.delete.inbox": {"web-scu"},
    "dicom.received.pacs.1=2": {"dimse-scu"},
    "dicom.interest.pacs.1=2.g": {"wado", "scp"},
    "dicom.stored.pacs.job": {"stow", "scp", "arrivals"},
    "dicom.retrieve.>": set(),
    "dicom.store.pacs": set(),
    "dicom.events.>": set(),
    "dicom.progress.>": set(),
    "dicom.audit.>": set(),
    "$KV.>": set(),
    "$JS.>": set(),
    "_INBOX.>": set(),
    "_INBOX_isthmus.>": set(),
    ">": set(),
}


class User:
    """A connection of a user, and what the server refuses it."""

    def __init__(self) -> None:
        self.client = Connection()
        self._refused: list[str] = []

    async def note(self, error: Exception) -> None:
        self._refused.append(str(error).lower())

    async def may_publish(self, subject: str) -> bool:
        """Try to."""
        # Nothing that a stream or a worker could take: what is refused is refused before that.
        await self.client.publish(subject, b"", headers={"Nats-Expected-Stream": "none of this name"})
        return await self._is_free("publish", subject)

    async def may_subscribe(self, subject: str) -> bool:
        """Try to."""
        subscription = await self.client.subscribe(subject)
        free = await self._is_free("subscription", subject)
        if free:
            await subscription.unsubscribe()
        return free

    async def _is_free(self, what: str, subject: str) -> bool:
        await self.client.flush()
        refused, self._refused = self._refused, []
        assert all(f'permissions violation for {what} to "{subject.lower()}"' in one for one in refused)
        return not refused


@asynccontextmanager
async def connected_as(url: str, name: str, password: str) -> AsyncIterator[User]:
    """Connect as a user of the server."""
    one = User()
    await one.client.connect(
        url,
        user=name,
        password=password,
        inbox_prefix=accounts.inbox_prefix(name),
        error_cb=one.note,
    )
    try:
        yield one
    finally:
        await one.client.close()
