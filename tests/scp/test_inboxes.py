"""C-STORE into an inbox: Success only when blob and event are durable; everything else says why not."""

import asyncio
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox
from isthmus.common.config.origins import Conflicts
from isthmus.common.config.settings import Nats
from isthmus.common.dicom.part10 import read_file_meta
from isthmus.common.dimse import Association, Context
from isthmus.common.messages import AssociationEnded
from isthmus.common.service import Parts
from isthmus.common.threads import Threads
from isthmus.scp.worker import Server, serving
from tests.peers import Peer, storescu
from tests.scp.conftest import CT, EXPLICIT, INBOX, Sending, peer, send
from tests.scp.stream import ends, instance_events

Dataset = Callable[..., bytes]


async def held(blobs: BlobStore, inbox: Inbox) -> list[bytes]:
    return [await blobs.get(blob.key) async for blob in blobs.list(f"inbox/{inbox.name}/")]


def with_conflicts(parts: Parts, inbox: Inbox, conflicts: Conflicts) -> Parts:
    other = inbox.model_copy(update={"conflicts": conflicts})
    return Parts(parts.settings.model_copy(update={"origins": (other,)}), parts.bus, parts.blobs)


async def test_success_means_that_blob_and_event_are_there(
    server: Server, bus: Bus, blobs: BlobStore, inbox: Inbox, dataset: Dataset
) -> None:
    data = dataset(name=b"Mueller")
    (result,) = await send(server, Sending(data), calling="CT1", called=INBOX)
    assert (result.status, result.error_comment) == (0, "")
    (file,) = await held(blobs, inbox)
    meta = read_file_meta(BytesIO(file))
    assert (meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid) == (CT, "1.2.3.4", EXPLICIT)
    assert file[meta.dataset_offset :] == data
    (event,) = await instance_events(bus, inbox.name)
    told = event.data
    assert (told.study, told.series, told.instance) == ("1.2.3", "1.2.3.9", "1.2.3.4")
    assert (told.sop_class, told.transfer_syntax, told.blob.size) == (CT, EXPLICIT, len(file))
    assert await blobs.get(told.blob.key) == file
    assert told.calling_ae_title == "CT1"
    assert told.attributes["00100010"]["Value"] == [{"Alphabetic": "Nobody^Mueller"}]
    assert told.url.endswith(f"/aets/{inbox.name}/studies/1.2.3/series/1.2.3.9/instances/1.2.3.4")


async def test_the_same_from_two_senders_is_one_event_and_one_blob(
    server: Server, bus: Bus, blobs: BlobStore, inbox: Inbox, dataset: Dataset
) -> None:
    for calling in ("CT1", "PACS", "CT1"):
        (result,) = await send(server, Sending(dataset()), calling=calling, called=INBOX)
        assert result.status == 0
    assert len(await held(blobs, inbox)) == 1
    assert len(await instance_events(bus, inbox.name)) == 1


async def test_other_content_is_refused_where_the_inbox_says_so(
    parts: Parts, bus: Bus, blobs: BlobStore, inbox: Inbox, dataset: Dataset
) -> None:
    async with serving(with_conflicts(parts, inbox, Conflicts.REFUSE)) as server:
        results = await send(
            server, Sending(dataset()), Sending(dataset(name=b"Other")), Sending(dataset()), called=INBOX
        )
    assert [result.status for result in results] == [0, 0x0111, 0]
    assert results[1].error_comment == "There is other content under this SOP Instance UID"
    assert len(await held(blobs, inbox)) == 1


async def test_other_content_is_kept_where_the_inbox_says_so_and_the_event_tells(
    server: Server, bus: Bus, blobs: BlobStore, inbox: Inbox, dataset: Dataset
) -> None:
    results = await send(server, Sending(dataset()), Sending(dataset(name=b"Other")), called=INBOX)
    assert [result.status for result in results] == [0, 0]
    assert len(await held(blobs, inbox)) == 2
    assert [event.data.conflict for event in await instance_events(bus, inbox.name)] == [None, "newest"]


@pytest.mark.parametrize("missing", ["study", "series", "instance"])
async def test_a_data_set_without_a_uid_is_refused_by_name(
    server: Server, blobs: BlobStore, inbox: Inbox, dataset: Dataset, missing: str
) -> None:
    (result,) = await send(server, Sending(dataset(**{missing: ""})), called=INBOX)
    assert result.status == 0xA900
    assert "UID" in result.error_comment
    assert await held(blobs, inbox) == []


async def test_a_data_set_that_breaks_off_in_its_pixels_is_refused(
    server: Server, bus: Bus, blobs: BlobStore, inbox: Inbox, dataset: Dataset
) -> None:
    pixels = b"\xe0\x7f\x10\0OW\0\0" + (1000).to_bytes(4, "little") + bytes(998)
    (cut_off,) = await send(server, Sending(dataset() + pixels), called=INBOX)
    comment = "The data set ends inside its Pixel Data (7FE0,0010)"
    assert (cut_off.status, cut_off.error_comment) == (0xA900, comment)
    assert await held(blobs, inbox) == []
    assert await instance_events(bus, inbox.name) == []
    (whole,) = await send(server, Sending(dataset() + pixels + bytes(2)), called=INBOX)
    assert whole.status == 0


@pytest.mark.parametrize(
    ("sending", "comment"),
    [
        ({"sop_instance_uid": "1.2.3.5"}, "The data set has another SOP Instance UID than the command"),
        ({"sop_instance_uid": "1.2.3"}, "The data set has another SOP Instance UID than the command"),
        (
            {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.4"},
            "The data set has another SOP Class UID than the command",
        ),
    ],
)
async def test_a_data_set_that_is_not_the_commands_is_refused(
    server: Server,
    bus: Bus,
    blobs: BlobStore,
    inbox: Inbox,
    dataset: Dataset,
    sending: dict[str, str],
    comment: str,
) -> None:
    (result,) = await send(server, Sending(dataset(), **sending), called=INBOX)
    assert (result.status, result.error_comment) == (0xA900, comment)
    assert await held(blobs, inbox) == []
    assert await instance_events(bus, inbox.name) == []


@pytest.mark.parametrize("uid", ["1.2/../3", "1.2 3", "1." + "2" * 127])
async def test_what_no_url_can_name_is_refused(
    server: Server, bus: Bus, blobs: BlobStore, inbox: Inbox, dataset: Dataset, uid: str
) -> None:
    sending = Sending(dataset(instance=uid), sop_instance_uid=uid[:64])
    (result,) = await send(server, sending, called=INBOX)
    assert result.status == 0x0117
    assert "SOPInstanceUID" in result.error_comment
    assert await held(blobs, inbox) == []
    assert await instance_events(bus, inbox.name) == []


async def test_a_uid_that_is_cut_in_the_command_is_the_data_sets(
    server: Server, bus: Bus, inbox: Inbox, dataset: Dataset
) -> None:
    uid = "1." + "2" * 80
    sending = Sending(dataset(instance=uid), sop_instance_uid=uid[:64])
    (result,) = await send(server, sending, called=INBOX)
    assert result.status == 0
    assert [event.data.instance for event in await instance_events(bus, inbox.name)] == [uid]


@pytest.mark.parametrize(
    ("sop_class_uid", "transfer_syntax_uid"),
    [
        ("1.2.826.0.1.3680043.9.7133.1", EXPLICIT),
        ("1.2.840.10008.5.1.4.1.1.999.1", EXPLICIT),
        (CT, "1.2.826.0.1.3680043.9.7133.2"),
        (CT, "1.2.840.10008.1.2.4.201"),
    ],
)
async def test_every_class_and_transfer_syntax_is_taken(
    server: Server, bus: Bus, inbox: Inbox, dataset: Dataset, sop_class_uid: str, transfer_syntax_uid: str
) -> None:
    # The element holds the class with an even number of characters.
    data = dataset().replace(
        b"UI" + (len(CT) + len(CT) % 2).to_bytes(2, "little") + CT.encode() + b"\0" * (len(CT) % 2),
        b"UI"
        + (len(sop_class_uid) + len(sop_class_uid) % 2).to_bytes(2, "little")
        + sop_class_uid.encode()
        + b"\0" * (len(sop_class_uid) % 2),
    )
    sending = Sending(data, sop_class_uid=sop_class_uid, transfer_syntax_uid=transfer_syntax_uid)
    (result,) = await send(server, sending, called=INBOX)
    assert result.status == 0, result.error_comment
    (event,) = await instance_events(bus, inbox.name)
    assert (event.data.sop_class, event.data.transfer_syntax) == (sop_class_uid, transfer_syntax_uid)


async def test_without_s3_the_answer_is_out_of_resources_and_no_event_is_out(
    bus: Bus, parts: Parts, inbox: Inbox, dataset: Dataset
) -> None:
    threads = Threads("away", 2)
    away = BlobStore("127.0.0.1:1", "key", "secret", "bucket", threads=threads, deadline=0.3)
    async with serving(Parts(parts.settings, bus, away)) as server:
        (result,) = await send(server, Sending(dataset()), called=INBOX)
    assert result.status == 0xA700
    assert result.error_comment
    assert await instance_events(bus, inbox.name) == []
    away.close()
    threads.close()


async def test_without_nats_the_answer_is_out_of_resources_and_the_repeat_is_taken(
    nats_settings: Nats, bus: Bus, blobs: BlobStore, parts: Parts, inbox: Inbox, dataset: Dataset
) -> None:
    leaving = await Bus.connect(nats_settings, "leaving")
    async with serving(Parts(parts.settings, leaving, blobs)) as server:
        (first,) = await send(server, Sending(dataset(instance="1.2.3.5"), "1.2.3.5"), called=INBOX)
        await leaving.close()
        (second,) = await send(server, Sending(dataset()), called=INBOX)
    assert (first.status, second.status) == (0, 0xA700)
    assert second.error_comment
    async with serving(parts) as server:
        (third,) = await send(server, Sending(dataset()), called=INBOX)
    assert third.status == 0
    assert len(await instance_events(bus, inbox.name)) == 2


async def opened(server: Server, dataset: Dataset, *studies: str) -> Association:
    """Open an association, and bring something of these studies."""

    def run() -> Association:
        association = Association.open(peer(server, called=INBOX), [Context(CT, (EXPLICIT,))])
        for number, study in enumerate(studies):
            uid = f"1.2.3.4.{number}"
            association.store(
                BytesIO(dataset(study=study, instance=uid)),
                sop_class_uid=CT,
                sop_instance_uid=uid,
                transfer_syntax_uid=EXPLICIT,
            )
        return association

    return await asyncio.to_thread(run)


@pytest.mark.parametrize("how", ["release", "abort"])
async def test_the_end_of_an_association_is_told_for_each_study_it_brought_something_of(
    server: Server, bus: Bus, inbox: Inbox, dataset: Dataset, how: str
) -> None:
    association = await opened(server, dataset, "1.2.3", "1.2.4", "1.2.3")
    assert await ends(bus, inbox.name) == []
    await asyncio.to_thread(getattr(association, how))
    told = await ends(bus, inbox.name, least=2)
    (name,) = {event.data.association for event in await instance_events(bus, inbox.name)}
    assert name is not None
    assert sorted(told, key=lambda one: one.study) == [
        AssociationEnded(inbox.name, study, name) for study in ("1.2.3", "1.2.4")
    ]


async def test_the_end_is_told_when_scp_stops(parts: Parts, bus: Bus, inbox: Inbox, dataset: Dataset) -> None:
    async with serving(parts) as server:
        association = await opened(server, dataset, "1.2.3")
    await asyncio.to_thread(association.abort)
    assert [one.study for one in await ends(bus, inbox.name)] == ["1.2.3"]


async def test_of_an_association_that_brought_nothing_nothing_is_told(
    server: Server, bus: Bus, inbox: Inbox, dataset: Dataset
) -> None:
    await send(server, Sending(b"no data set"), called=INBOX)
    await send(server, Sending(dataset()), called=INBOX)
    assert len(await ends(bus, inbox.name, least=1)) == 1


async def test_of_many_senders_at_once_nothing_is_refused_and_nothing_lost(
    server: Server, bus: Bus, blobs: BlobStore, inbox: Inbox, dataset: Dataset
) -> None:
    def instances(sender: int) -> list[Sending]:
        uids = [f"1.2.3.{sender}.{number}" for number in range(20)]
        return [Sending(dataset(study=f"1.2.{sender}", instance=uid), uid) for uid in uids]

    results = await asyncio.gather(
        *(send(server, *instances(sender), calling=f"CT{sender}", called=INBOX) for sender in range(10))
    )
    assert [result.status for one in results for result in one] == [0] * 200
    events = await instance_events(bus, inbox.name)
    assert len({event.data.instance for event in events}) == len(events) == 200
    assert {event.data.blob.key for event in events} == {
        blob.key async for blob in blobs.list(f"inbox/{inbox.name}/")
    }
    assert {told.study for told in await ends(bus, inbox.name, least=10)} == {
        f"1.2.{sender}" for sender in range(10)
    }


async def test_patient_data_is_in_no_log(
    server: Server, inbox: Inbox, dataset: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    await send(server, Sending(dataset(name=b"Geheim")), called=INBOX)
    await send(server, Sending(dataset(study="", name=b"Geheim")), called=INBOX)
    await send(server, Sending(dataset(name=b"Geheim"), sop_instance_uid="1.2.3.77"), called=INBOX)
    captured = capsys.readouterr()
    assert "not stored" in captured.out + captured.err
    for secret in ("Geheim", "1.2.3.4", "1.2.3.77"):
        assert secret not in captured.out + captured.err


async def test_dcmtk_stores(
    server: Server, bus: Bus, blobs: BlobStore, inbox: Inbox, corpus: list[Path]
) -> None:
    files = [path for path in corpus if path.name in {"CT_small.dcm", "MR_small.dcm", "rtplan.dcm"}]
    assert len(files) == 3
    outcome = await asyncio.to_thread(storescu, Peer(INBOX, "127.0.0.1", server.port), files)
    assert outcome.code == 0, outcome.log
    uids = {str(pydicom.dcmread(path).SOPInstanceUID) for path in files}
    assert {event.data.instance for event in await instance_events(bus, inbox.name)} == uids
    assert len(await held(blobs, inbox)) == 3
