"""Every operation that is served over DIMSE, by everybody who may not do it, and by who may.

The operations are those of the table by which requests are served: one more fails here, until it is asked.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import (
    C_ECHO,
    C_FIND,
    C_GET,
    C_MOVE,
    C_STORE,
    N_ACTION,
    N_CREATE,
    N_EVENT_REPORT,
    N_SET,
)
from pynetdicom.pdu_primitives import UserIdentityNegotiation

from isthmus.common.access import key_store
from isthmus.common.access.key_store import KeyRing
from isthmus.common.auth import Right
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox, Settings
from isthmus.common.config.origins import Protocol
from isthmus.common.config.settings import Scp
from isthmus.common.service import Parts
from isthmus.scp import doorkeeper
from isthmus.scp.services import SERVED
from isthmus.scp.worker import Server, serving
from isthmus.web_scu.worker import worker as web_worker
from tests.planted import plant, secret
from tests.scp.conftest import ANY_PORT, INBOX, with_rules
from tests.scp.find.conftest import STUDY_ROOT
from tests.scp.modality import CT, action_information

VERIFICATION = "1.2.840.10008.1.1"
COMMITMENT, PERFORMED = "1.2.840.10008.1.20.1", "1.2.840.10008.3.1.2.3.3"
COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
MOVE, GET = f"{STUDY_ROOT[:-1]}2", f"{STUDY_ROOT[:-1]}3"
STUDY = "1.2.3.4"
NOT_AUTHORIZED, SUCCESS = 0x0124, 0x0000

Do = Callable[[Association], int]
REJECTED = "rejected"


def _last(responses: Iterator[tuple[Dataset, Dataset | None]]) -> int:
    return int([status.Status for status, _ in responses][-1])


def _wish() -> Dataset:
    wish = Dataset()
    wish.QueryRetrieveLevel, wish.StudyInstanceUID = "STUDY", STUDY
    return wish


def _step() -> Dataset:
    step = Dataset()
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    return step


def _store(association: Association) -> int:
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID, data.PatientName = CT, f"{STUDY}.9", "Nobody^Secret"
    data.StudyInstanceUID, data.SeriesInstanceUID = STUDY, f"{STUDY}.8"
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return int(association.send_c_store(data).Status)


OPERATIONS: dict[type, tuple[Right | None, Do]] = {
    C_ECHO: (None, lambda one: int(one.send_c_echo().Status)),
    C_FIND: (Right.SEARCH, lambda one: _last(one.send_c_find(_wish(), STUDY_ROOT))),
    C_MOVE: (Right.RETRIEVE, lambda one: _last(one.send_c_move(_wish(), "NOWHERE", MOVE))),
    C_GET: (Right.RETRIEVE, lambda one: _last(one.send_c_get(_wish(), GET))),
    C_STORE: (Right.STORE, _store),
    N_ACTION: (
        Right.STORE,
        lambda one: int(
            one.send_n_action(action_information("1.2.5", (CT, "1.2")), 1, COMMITMENT, COMMITMENT_INSTANCE)[
                0
            ].Status
        ),
    ),
    N_CREATE: (Right.STORE, lambda one: int(one.send_n_create(_step(), PERFORMED, f"{STUDY}.7")[0].Status)),
    N_SET: (Right.STORE, lambda one: int(one.send_n_set(_step(), PERFORMED, f"{STUDY}.7")[0].Status)),
}
"""What each takes (None: any at all), and how it is asked for."""


def test_every_operation_that_is_served_is_asked() -> None:
    served = {kind for kinds in SERVED.values() for kind in kinds}
    assert served - {N_EVENT_REPORT} | {C_STORE} == set(OPERATIONS)  # those are answers to what we send


@dataclass
class Site:
    server: Server
    ring: KeyRing
    inbox: str

    async def key(self, name: str, expires: float | None = None) -> str:
        text = await self.ring.create(f"{self.inbox}-{name}", expires)
        assert text is not None
        return plant(text)

    async def status(self, do: Do, name: str = "", passcode: str = "", called: str = INBOX) -> int | str:
        """What comes of an operation of somebody with a key."""
        return await asyncio.to_thread(self._status, do, f"{self.inbox}-{name}", passcode, called)

    def _status(self, do: Do, name: str, passcode: str, called: str) -> int | str:
        entity = AE("ANYBODY")
        entity.acse_timeout = entity.dimse_timeout = 20
        for uid in (VERIFICATION, STUDY_ROOT, MOVE, GET, COMMITMENT, PERFORMED, CT):
            entity.add_requested_context(uid, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
        identity = UserIdentityNegotiation()
        identity.user_identity_type = 2
        identity.primary_field, identity.secondary_field = name.encode(), passcode.encode()
        association = entity.associate(
            "127.0.0.1",
            self.server.port,
            ae_title=called,
            ext_neg=[identity] if passcode else [],
        )
        if not association.is_established:
            return REJECTED
        try:
            return do(association)
        finally:
            association.release()


def rules(inbox: str, other: str) -> list[dict[str, object]]:
    """Who may what at the inbox: one key for each right, and one that may everything elsewhere."""
    by_right: list[dict[str, object]] = [
        {"key": f"{inbox}-{right}", "operations": [right], "origins": [inbox]} for right in Right
    ]
    elsewhere: dict[str, object] = {"key": f"{inbox}-elsewhere", "operations": [*Right], "origins": [other]}
    expired: dict[str, object] = {"key": f"{inbox}-expired", "operations": [*Right]}
    return [*by_right, elsewhere, expired]


@asynccontextmanager
async def a_site(bus: Bus, blobs: BlobStore, name: str) -> AsyncIterator[Site]:
    inbox = Inbox(name=name, protocol=Protocol.INBOX, ae_title=INBOX)
    other = Inbox(name=f"{name}-b", protocol=Protocol.INBOX, ae_title="OTHERBOX")
    parts = Parts(Settings(scp=Scp(listen=ANY_PORT), origins=(inbox, other)), bus, blobs)
    parts = with_rules(parts, *rules(inbox.name, other.name))
    async with web_worker(parts), serving(parts) as server:
        yield Site(server, KeyRing(bus), inbox.name)


@pytest.fixture
async def site(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Site]:
    async with a_site(bus, blobs, origin_name) as one:
        yield one


@pytest.mark.parametrize("kind", OPERATIONS, ids=lambda kind: cast("type", kind).__name__)
async def test_an_operation_is_done_for_who_may_and_for_nobody_else(site: Site, kind: type) -> None:
    right, do = OPERATIONS[kind]
    assert await site.status(do) == REJECTED  # no credential
    assert await site.status(do, "search", secret()) == REJECTED
    expired = await site.key("expired", time.time() - 1)
    assert await site.status(do, "expired", expired) == REJECTED
    elsewhere = await site.key("elsewhere")
    wrong = plant(elsewhere[:-4] + ("AAAA" if elsewhere[-4:] != "AAAA" else "BBBB"))
    assert await site.status(do, "elsewhere", wrong, "OTHERBOX") == REJECTED
    assert await site.status(do, "elsewhere", elsewhere) == REJECTED
    assert await site.status(do, "elsewhere", elsewhere, "OTHERBOX") not in (REJECTED, NOT_AUTHORIZED)
    for other in Right:
        status = await site.status(do, other, await site.key(other))
        if other in {Right.DELETE, Right.EVENTS, Right.ADMIN}:
            assert status == REJECTED, other  # none of which is done over DIMSE
        elif right in (None, other):
            assert status not in (REJECTED, NOT_AUTHORIZED), other
        else:
            assert status == NOT_AUTHORIZED, other


async def test_a_key_that_is_revoked_opens_nothing_any_more_to_an_association_that_lasts(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in (
        (doorkeeper, "AGAIN_SECONDS"),
        (key_store, "FRESH_SECONDS"),
        (key_store, "STALE_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 0.0)
    loop = asyncio.get_running_loop()
    revoked = site.ring.revoke(f"{site.inbox}-elsewhere")

    def use(association: Association) -> int:
        assert _store(association) == SUCCESS
        assert asyncio.run_coroutine_threadsafe(revoked, loop).result(20)
        answers.update(do(association) for right, do in OPERATIONS.values() if right is not None)
        return OPERATIONS[C_ECHO][1](association)

    answers: set[int] = set()
    status = await site.status(use, "elsewhere", await site.key("elsewhere"), "OTHERBOX")
    assert (status, answers) == (SUCCESS, {NOT_AUTHORIZED})
