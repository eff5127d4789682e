"""C-STORE to a called origin: what the origin says is what its sender hears."""

from collections.abc import Callable

import pytest

from isthmus.common.auth import Grants, Policy
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.granted import Gate
from isthmus.common.config.access import Rule
from isthmus.common.dicom.part10 import file_header
from isthmus.common.dimse import StoreResult
from isthmus.common.errors import IsthmusError, NotTried, OperationFailed, OriginTimeout, OriginUnreachable
from isthmus.common.messages import Failure
from isthmus.scp.worker import Server
from tests.scp.conftest import CT, EXPLICIT, PACS, Sending, send
from tests.scp.through.conftest import cleared
from tests.stow.worker import Employ, Job, stores

Dataset = Callable[..., bytes]


async def send_one(server: Server, data: bytes, instance: str = "1.2.3.4") -> StoreResult:
    sending = Sending(data, sop_instance_uid=instance)
    (result,) = await send(server, sending, calling="CT1", called=PACS)
    return result


async def test_what_comes_is_what_the_worker_gets_and_nothing_stays_in_the_spool(
    server: Server, employ: Employ, blobs: BlobStore, dataset: Dataset, origin_name: str
) -> None:
    taken: list[tuple[Job, bytes]] = []

    async def take(job: Job) -> None:
        (ref,) = await job.refs()
        taken.append((job, await blobs.get(ref.key)))
        await job.answer_all(0x0000)

    employ(take)
    result = await send_one(server, dataset())
    assert (result.status, result.error_comment) == (0x0000, "")
    ((job, file),) = taken
    (ref,) = job.store.blobs
    header = file_header(
        sop_class_uid=CT, sop_instance_uid="1.2.3.4", transfer_syntax_uid=EXPLICIT, source_ae_title="CT1"
    )
    assert file == header + dataset()
    assert (job.store.origin, ref.size) == (origin_name, len(file))
    assert (ref.study_instance_uid, ref.series_instance_uid) == ("1.2.3", "1.2.3.9")
    assert (ref.sop_class_uid, ref.sop_instance_uid, ref.transfer_syntax_uid) == (CT, "1.2.3.4", EXPLICIT)
    await cleared(blobs, job)


@pytest.mark.parametrize(
    ("said", "comment"),
    [
        (0xB000, "Coercion of Data Elements, or failures of sub-operations"),
        (0xB006, "Elements discarded"),
        (0xB007, "Data Set does not match SOP Class"),
    ],
)
async def test_a_warning_of_the_origin_is_passed_on(
    server: Server, employ: Employ, dataset: Dataset, said: int, comment: str
) -> None:
    employ(lambda job: job.answer_all(said))
    result = await send_one(server, dataset())
    assert (result.status, result.error_comment) == (said, comment)


@pytest.mark.parametrize("said", [0xA700, 0xA900, 0xC000, 0xC122, 0x0110, 0x0111, 0x0122, 0x0124])
async def test_a_failure_of_the_origin_is_passed_on(
    server: Server, employ: Employ, dataset: Dataset, said: int
) -> None:
    error = OperationFailed("The origin says why", origin="pacs", status=said, operation="C-STORE")
    employ(lambda job: job.answer_all(said, Failure.of(error)))
    result = await send_one(server, dataset())
    assert (result.status, result.error_comment) == (said, "The origin says why")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OriginTimeout("silent", origin="pacs"), 0xA700),
        (NotTried("silent", origin="pacs"), 0xA700),
        (OriginUnreachable("no connection", origin="pacs"), 0xC000),
    ],
)
async def test_where_the_origin_gives_no_answer_its_sender_hears_why(
    server: Server, employ: Employ, dataset: Dataset, error: IsthmusError, status: int
) -> None:
    employ(lambda job: job.answer_all(0x0110, Failure.of(error)))
    result = await send_one(server, dataset())
    assert (result.status, result.error_comment) == (status, error.detail)


async def test_without_a_worker_it_is_taken_back(
    server: Server, dataset: Dataset, employ: Employ, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.common.bus.progress.SILENCE", 0.1)
    result = await send_one(server, dataset(instance="1.2.3.5"), "1.2.3.5")
    assert (result.status, result.error_comment[:9]) == (0xA700, "No worker")
    seen: list[str] = []

    async def take(job: Job) -> None:
        seen.extend(ref.sop_instance_uid for ref in await job.refs())
        await job.answer_all(0x0000)

    employ(take)
    assert (await send_one(server, dataset())).status == 0
    assert seen == ["1.2.3.4"]


async def test_another_instance_than_the_commands_is_refused_and_not_sent(
    server: Server, employ: Employ, dataset: Dataset
) -> None:
    employ(stores)
    sent = Sending(dataset(), sop_instance_uid="1.2.3.5")
    (result,) = await send(server, sent, calling="CT1", called=PACS)
    assert result.status == 0xA900
    assert result.error_comment == "The data set has another SOP Instance UID than the command"


async def test_what_breaks_off_is_refused_and_not_sent(
    server: Server, employ: Employ, dataset: Dataset
) -> None:
    employ(stores)
    pixels = b"\xe0\x7f\x10\x00OW\0\0\x00\x10\x00\x00" + b"\0" * 16
    result = await send_one(server, dataset() + pixels)
    assert result.status == 0xA900


async def test_what_the_worker_refuses_is_told_and_can_be_sent_again(
    server: Server, bus: Bus, employ: Employ, blobs: BlobStore, dataset: Dataset, origin_name: str
) -> None:
    taken: list[Job] = []

    async def take(job: Job) -> None:
        taken.append(job)
        await job.answer_all(0x0000)

    employ(take)
    grants = Grants("k" * 32, "scp")
    others = Rule.model_validate({"user": "alice", "operations": ["store"]})
    bus.gate = Gate(grants, Policy([others], [origin_name]))
    result = await send_one(server, dataset())
    assert (result.status, result.error_comment) == (0x0124, "The rules do not allow it")
    assert not taken
    bus.gate = Gate(grants, Policy((), [origin_name]))
    assert (await send_one(server, dataset())).status == 0x0000
    await cleared(blobs, *taken)
