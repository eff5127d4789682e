import asyncio

from isthmus.wado.cancel import cancel


async def test_a_task_that_lost_its_cancellation_ends_too() -> None:
    begun = asyncio.Event()

    async def loses_the_first() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    task = asyncio.create_task(loses_the_first())
    await begun.wait()
    await cancel([task])
    assert task.done()


async def test_a_task_that_failed_before_is_no_failure_of_the_cancellation() -> None:
    async def fails() -> None:
        raise LookupError

    task = asyncio.create_task(fails())
    await asyncio.wait([task])
    await cancel([task])
    assert isinstance(task.exception(), LookupError)
