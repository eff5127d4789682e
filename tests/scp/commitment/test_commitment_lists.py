"""Lists of studies: whoever asks for what is not there makes nobody read them all again and again."""

from contextlib import aclosing

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox
from isthmus.common.inbox.state import States
from isthmus.scp.commitment.lists import KnownLists
from tests.scp.commitment.asking import listed

STUDIES = 6


@pytest.fixture
def reads(blobs: BlobStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that were read from S3."""
    keys: list[str] = []
    get = blobs.get

    async def counted(key: str) -> bytes:
        keys.append(key)
        return await get(key)

    monkeypatch.setattr(blobs, "get", counted)
    return keys


@pytest.fixture
async def studies(bus: Bus, blobs: BlobStore, inbox: Inbox) -> None:
    for number in range(STUDIES):
        await listed(bus, blobs, inbox, f"1.8.{number}", f"1.8.{number}.1", f"1.8.{number}.2")


async def found(lists: KnownLists, inbox: Inbox, *instances: str) -> set[str]:
    wanted, uids = set(instances), set[str]()
    async with aclosing(lists.rows(inbox.name, wanted)) as rows:
        async for some in rows:
            uids |= some.keys()
            wanted.difference_update(some)
    return uids


@pytest.mark.usefixtures("studies")
async def test_each_list_is_read_once_for_all_that_is_not_there(
    bus: Bus, blobs: BlobStore, inbox: Inbox, reads: list[str]
) -> None:
    lists = KnownLists(bus, blobs)
    for number in range(3):
        assert await found(lists, inbox, f"1.9.{number}") == set()
    assert len(reads) == len(set(reads)) == STUDIES
    assert await found(lists, inbox, "1.9.1", "1.8.4.2") == {"1.8.4.2"}
    assert len(reads) == STUDIES + 1


@pytest.mark.usefixtures("studies")
async def test_what_came_last_is_found_without_a_look_into_the_others(
    bus: Bus, blobs: BlobStore, inbox: Inbox, reads: list[str]
) -> None:
    assert await found(KnownLists(bus, blobs), inbox, f"1.8.{STUDIES - 1}.1") == {f"1.8.{STUDIES - 1}.1"}
    assert len(reads) == 1


@pytest.mark.usefixtures("studies")
async def test_of_lists_that_changed_the_new_ones_are_read_and_the_old_ones_forgotten(
    bus: Bus, blobs: BlobStore, inbox: Inbox, reads: list[str]
) -> None:
    lists = KnownLists(bus, blobs)
    assert await found(lists, inbox, "1.9") == set()
    await listed(bus, blobs, inbox, "1.8.2", "1.8.2.3")
    await listed(bus, blobs, inbox, "1.9", "1.9")
    assert await found(lists, inbox, "1.9", "1.8.2.1", "1.8.2.3") == {"1.9", "1.8.2.3"}
    assert len(reads) == STUDIES + 2
    assert len(lists._hashes) == STUDIES + 1


@pytest.mark.usefixtures("studies")
async def test_beyond_the_bound_a_list_is_read_again_and_still_found(
    bus: Bus, blobs: BlobStore, inbox: Inbox, reads: list[str]
) -> None:
    lists = KnownLists(bus, blobs, remembered=5)
    assert await found(lists, inbox, "1.9") == set()
    reads.clear()
    assert await found(lists, inbox, "1.9") == set()
    assert len(reads) == STUDIES - 2
    wanted = {f"1.8.{number}.2" for number in range(STUDIES)}
    assert await found(lists, inbox, *wanted) == wanted


@pytest.mark.usefixtures("studies")
async def test_a_study_that_was_deleted_is_in_no_list(
    bus: Bus, blobs: BlobStore, inbox: Inbox, reads: list[str]
) -> None:
    lists, states = KnownLists(bus, blobs), States(bus)
    assert await found(lists, inbox, "1.9") == set()
    state = await states.get(inbox.name, "1.8.1")
    await blobs.delete(state.state.contents or "")
    assert await found(lists, inbox, "1.8.1.1", "1.8.2.1") == {"1.8.2.1"}
