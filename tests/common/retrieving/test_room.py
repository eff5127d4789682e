from concurrent.futures import Future, ThreadPoolExecutor, wait

from isthmus.common.retrieving.room import Room


def entering(room: Room, *sizes: int) -> list[Future[bool]]:
    with ThreadPoolExecutor(len(sizes)) as threads:
        futures = [threads.submit(room.enter, size) for size in sizes]
        wait(futures, timeout=0.1)
        room.close()
    return futures


def test_no_more_instances_than_there_is_room_for() -> None:
    room = Room(2, 100)
    assert sorted(future.result() for future in entering(room, 1, 1, 1)) == [False, True, True]


def test_no_more_bytes_than_there_is_room_for() -> None:
    room = Room(8, 100)
    assert room.enter(60)
    assert [future.result() for future in entering(room, 50)] == [False]


def test_one_that_is_larger_than_all_the_room_goes_in_alone() -> None:
    room = Room(8, 100)
    assert room.enter(1000)
    assert [future.result() for future in entering(room, 1)] == [False]


def test_who_waits_goes_in_when_another_has_left() -> None:
    room = Room(1, 100)
    assert room.enter(60)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(room.enter, 50)
        room.leave(60)
        assert waiting.result(timeout=5)
