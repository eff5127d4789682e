"""A message that comes once more is counted, where it comes."""

import asyncio

from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig

from isthmus.common.bus import Bus, end_tasks, jobs, streams, subjects
from isthmus.common.bus.consumer import Consumer
from isthmus.common.bus.jobs import Running
from isthmus.common.messages import Retrieve
from tests.measured import measured, told
from tests.waiting import PATIENCE

AGAIN = "isthmus_queue_redeliveries_total"


async def test_a_job_that_another_worker_gave_back_is_counted(bus: Bus, origin_name: str) -> None:
    taken = asyncio.Event()

    async def worker(running: Running[Retrieve]) -> None:
        taken.set()
        await asyncio.Event().wait()

    await jobs.submit_retrieve(bus, Retrieve(origin_name, "1.2.3"))
    for again in (None, 1, 2):
        taken.clear()
        working = asyncio.create_task(jobs.work(bus, streams.JOBS, origin_name, Retrieve, worker, at_once=1))
        async with asyncio.timeout(PATIENCE):
            await taken.wait()
        await end_tasks([working])
        here = {"isthmus_queue": "retrieve", "dicom_origin": origin_name, "isthmus_lane": "interactive"}
        assert measured(AGAIN, **here) == again


async def test_a_message_that_was_worked_on_in_vain_is_counted(bus: Bus, origin_name: str) -> None:
    came: asyncio.Queue[int] = asyncio.Queue()

    async def work(message: Msg) -> None:
        came.put_nowait(message.metadata.num_delivered)
        await message.nak()

    config = ConsumerConfig(
        durable_name=f"forwards-{origin_name}",
        filter_subject=subjects.forwards(origin_name),
        ack_policy=AckPolicy.EXPLICIT,
    )
    await bus.jetstream.publish(subjects.forward(origin_name, "inbox", "1.2"), b"")
    serving = asyncio.create_task(Consumer(bus, streams.FORWARDS, config).serve(work, 1))
    async with asyncio.timeout(PATIENCE):
        while await came.get() < 3:
            pass
    await end_tasks([serving])
    here = {"isthmus_queue": "forward", "dicom_origin": origin_name}
    counted = measured(AGAIN, **here)
    assert counted is not None
    assert counted >= 2


async def test_what_is_no_queue_is_not_counted(bus: Bus, origin_name: str) -> None:
    came: asyncio.Queue[int] = asyncio.Queue()

    async def work(message: Msg) -> None:
        came.put_nowait(message.metadata.num_delivered)
        if message.metadata.num_delivered == 1:
            await message.nak()
        else:
            await message.ack()

    subject = subjects.audit("qido", "search", "done", origin_name)
    config = ConsumerConfig(
        durable_name=f"audit-{origin_name}", filter_subject=subject, ack_policy=AckPolicy.EXPLICIT
    )
    before = told(AGAIN)
    await bus.jetstream.publish(subject, b"")
    serving = asyncio.create_task(Consumer(bus, streams.AUDIT, config).serve(work, 1))
    async with asyncio.timeout(PATIENCE):
        while await came.get() < 2:
            pass
    await end_tasks([serving])
    assert told(AGAIN) == before
