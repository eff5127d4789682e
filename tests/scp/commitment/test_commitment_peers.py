"""Storage commitment with a modality that nobody here wrote: Orthanc asks, releases, and is called."""

import asyncio
import json

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox, Protocol, Settings
from isthmus.common.config.arriving import Caller
from isthmus.common.service import Parts
from tests.peers import Orthanc, Peer
from tests.scp.commitment.asking import Deposit
from tests.scp.modality import CT, MR, services, with_callers
from tests.waiting import PATIENCE

PENDING = "Pending"


@pytest.fixture
def inbox(origin_name: str) -> Inbox:
    return Inbox(name=origin_name, protocol=Protocol.INBOX, ae_title="INBOX")


async def outcome(orthanc: Orthanc, *references: tuple[str, str]) -> dict[str, object]:
    """Have Orthanc ask the modality `INBOX`, and give what it was told."""

    def request(method: str, path: str, body: object = None) -> dict[str, object]:
        data = None if body is None else json.dumps(body).encode()
        answer: dict[str, object] = json.loads(orthanc._request(method, path, data))
        return answer

    asked = await asyncio.to_thread(
        request, "POST", "/modalities/INBOX/storage-commitment", {"DicomInstances": references}
    )
    async with asyncio.timeout(PATIENCE):
        while True:
            told = await asyncio.to_thread(request, "GET", str(asked["Path"]))
            if told["Status"] != PENDING:
                return told
            await asyncio.sleep(0.05)  # Orthanc tells nobody of it


async def test_orthanc_is_told_the_truth(
    bus: Bus, blobs: BlobStore, inbox: Inbox, empty_orthanc: Orthanc, deposit: Deposit
) -> None:
    for instance in ("1.2.3.4", "1.2.3.5"):
        await deposit(instance)
    caller = Caller(ae_title=empty_orthanc.ae_title, host="127.0.0.1", port=empty_orthanc.dicom_port)
    parts = with_callers(Parts(Settings(), bus, blobs), inbox, [caller])
    async with services(parts) as port:
        await asyncio.to_thread(empty_orthanc.add_destination, Peer("INBOX", "127.0.0.1", port))
        all_there = await outcome(empty_orthanc, (CT, "1.2.3.4"), (CT, "1.2.3.5"))
        some = await outcome(empty_orthanc, (CT, "1.2.3.4"), (MR, "1.2.3.5"), (CT, "1.2.3.6"))
    assert (all_there["Status"], all_there["RemoteAET"]) == ("Success", "INBOX")
    assert some["Status"] == "Failure"
    assert some["Success"] == [{"SOPClassUID": CT, "SOPInstanceUID": "1.2.3.4"}]
    assert isinstance(some["Failures"], list)
    assert {one["SOPInstanceUID"]: one["FailureReason"] for one in some["Failures"]} == {
        "1.2.3.5": 0x0119,
        "1.2.3.6": 0x0112,
    }
