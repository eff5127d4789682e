import pytest
from nats.js.errors import APIError

from isthmus.common.bus import Bus, streams


async def test_a_stream_of_an_earlier_version_is_brought_up_to_date(bus: Bus) -> None:
    wanted = (await bus.jetstream.stream_info(streams.PROGRESS)).config
    await bus.jetstream.update_stream(wanted, max_age=3600, subjects=["dicom.progress.>"])
    await streams.declare(bus.jetstream)
    declared = (await bus.jetstream.stream_info(streams.PROGRESS)).config
    assert (declared.max_age, declared.subjects) == (wanted.max_age, wanted.subjects)


async def test_what_is_in_a_stream_survives_its_second_declaration(bus: Bus, origin_name: str) -> None:
    ack = await bus.jetstream.publish(f"dicom.stored.{origin_name}.job", b"fact")
    await streams.declare(bus.jetstream)
    assert (await bus.jetstream.get_msg(streams.PROGRESS, ack.seq)).data == b"fact"


async def test_records_of_an_earlier_version_cannot_be_deleted_any_more(bus: Bus, origin_name: str) -> None:
    wanted = (await bus.jetstream.stream_info(streams.AUDIT)).config
    await bus.jetstream.delete_stream(streams.AUDIT)
    await bus.jetstream.add_stream(wanted.evolve(deny_delete=False, deny_purge=False))
    ack = await bus.jetstream.publish(f"dicom.audit.scp.{origin_name}", b"{}")
    await streams.declare(bus.jetstream)
    with pytest.raises(APIError):
        await bus.jetstream.delete_msg(streams.AUDIT, ack.seq)
    with pytest.raises(APIError):
        await bus.jetstream.purge_stream(streams.AUDIT)
    assert (await bus.jetstream.get_msg(streams.AUDIT, ack.seq)).data == b"{}"
