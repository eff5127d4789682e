"""The face, asked by C-FIND, over a real bus: before an origin that the test plays, or before Orthanc."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, MatchWriter
from isthmus.common.bus.client import Serving
from isthmus.common.bus.search import serve_queries
from isthmus.common.config import DicomwebOrigin, DimseOrigin, Settings
from isthmus.common.config.origins import Protocol
from isthmus.common.config.settings import Scp
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.messages import Query
from isthmus.common.service import Parts
from isthmus.dimse_scu.worker import worker
from isthmus.scp.worker import Server, serving
from isthmus.web_scu.worker import worker as web_worker
from tests.peers import Peer
from tests.scp.conftest import ANY_PORT
from tests.scp.wire import command

ARCHIVE = "ARCHIVE"
"""The AE title of the origin that a test plays."""
PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1.1"
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"
PATIENT_STUDY_ONLY = "1.2.840.10008.5.1.4.1.2.3.1"
SLOW_SECONDS = 0.3
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"


class Played:
    """An origin that gives what a test says, and keeps what it was asked."""

    def __init__(self) -> None:
        self.queries: list[Query] = []
        self.answer: Callable[[Query], Sequence[DicomJson]] = lambda _: ()
        self.failure: Exception | None = None
        """Raised behind the matches."""
        self.endless = False
        """Whether nothing comes behind the matches, not even the end."""
        self.asked = asyncio.Event()
        self.left = asyncio.Event()
        """Set when nobody wanted more of an endless answer."""
        self.given = 0
        self.slowed = asyncio.Event()
        """Set when a match was not taken for a while."""
        self.service: Serving | None = None

    async def stop(self) -> None:
        """Serve no more."""
        if self.service is not None:
            await self.service.unsubscribe()
            self.service = None

    async def search(self, query: Query, writer: MatchWriter) -> None:
        self.queries.append(query)
        self.asked.set()
        try:
            for match in self.answer(query):
                slow = asyncio.get_running_loop().call_later(SLOW_SECONDS, self.slowed.set)
                await writer.add(match)
                slow.cancel()
                self.given += 1
            if self.endless:
                await writer.flush()
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.left.set()
            raise
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def origin(origin_name: str) -> DimseOrigin:
    return DimseOrigin(name=origin_name, ae_title=ARCHIVE, port=104)


@pytest.fixture
async def played(bus: Bus, origin: DimseOrigin) -> AsyncIterator[Played]:
    archive = Played()
    archive.service = await serve_queries(bus, origin.name, archive.search)
    yield archive
    await archive.stop()


@pytest.fixture
def parts(bus: Bus, blobs: BlobStore, origin: DimseOrigin) -> Parts:
    return Parts(Settings(scp=Scp(listen=ANY_PORT), origins=(origin,)), bus, blobs)


@pytest.fixture
async def server(parts: Parts, played: Played) -> AsyncIterator[Server]:
    async with serving(parts) as running:
        yield running


@asynccontextmanager
async def before_dicomweb(
    bus: Bus, blobs: BlobStore, name: str, ae_title: str, url: str, **settings: object
) -> AsyncIterator[Server]:
    """Likewise, with a real DICOMweb server behind."""
    given = {"name": name, "protocol": Protocol.DICOMWEB, "ae_title": ae_title, "url": url}
    origin = DicomwebOrigin.model_validate({**given, **settings})
    parts = Parts(Settings(scp=Scp(listen=ANY_PORT), origins=(origin,)), bus, blobs)
    async with web_worker(parts), serving(parts) as running:
        yield running


@asynccontextmanager
async def before(bus: Bus, blobs: BlobStore, name: str, pacs: Peer) -> AsyncIterator[Server]:
    """Run the face and the worker, both in this process, with a real PACS behind."""
    origin = DimseOrigin(name=name, ae_title=pacs.ae_title, host=pacs.host, port=pacs.port)
    parts = Parts(Settings(scp=Scp(listen=ANY_PORT), origins=(origin,)), bus, blobs)
    async with worker(parts), serving(parts) as running:
        yield running


def asking(message_id: int = 1) -> bytes:
    """The command set of a C-FIND-RQ (PS3.7 9.3.2.1)."""
    return command(
        AffectedSOPClassUID=STUDY_ROOT,
        CommandField=0x0020,
        MessageID=message_id,
        Priority=0,
        CommandDataSetType=0,
    )


@dataclass
class Answer:
    """What a client got."""

    status: int
    """The last one."""
    comment: str = ""
    pending: list[int] = field(default_factory=list)
    matches: list[Dataset] = field(default_factory=list)


def request(level: str | None = "STUDY", /, **keys: object) -> Dataset:
    """Make an Identifier."""
    identifier = Dataset()
    if level is not None:
        identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        tag = Tag(keyword)
        # A key may be what its VR forbids in a data set: a range, a wild card, and what is plainly wrong.
        identifier.add(DataElement(tag, dictionary_VR(tag), value, validation_mode=IGNORE))
    return identifier


def find(
    address: tuple[str, int],
    identifier: Dataset,
    *,
    called: str = ARCHIVE,
    model: str = STUDY_ROOT,
    syntax: str = EXPLICIT,
    extended: bytes = b"",
    max_pdu: int = 16382,
) -> Answer:
    """Ask as pynetdicom does, and collect; blocks."""
    entity = AE("FINDER")
    entity.add_requested_context(model, syntax)
    negotiation = SOPClassExtendedNegotiation()
    negotiation.sop_class_uid = model
    negotiation.service_class_application_information = extended
    items = [negotiation] if extended else []
    association = entity.associate(*address, ae_title=called, max_pdu=max_pdu, ext_neg=items)  # type: ignore[arg-type]  # upstream's union is of lists
    assert association.is_established, "no association"
    answer = Answer(-1)
    try:
        for status, match in association.send_c_find(identifier, model):
            answer.status = status.Status if "Status" in status else -1
            if match is not None:
                answer.pending.append(answer.status)
                answer.matches.append(match)
            answer.comment = status.get("ErrorComment", "")
    finally:
        association.release()
    return answer


async def ask(server: Server, identifier: Dataset, **how: object) -> Answer:
    """Ask from a thread."""
    return await asyncio.to_thread(find, ("127.0.0.1", server.port), identifier, **how)  # type: ignore[arg-type]  # `find` has them typed
