"""C-MOVE and C-GET before a DICOMweb server that fails in the middle: what comes, and what lacks."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from pynetdicom.association import Association

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from tests.common.webclient.web_origin import (
    MULTIPART,
    Behaviour,
    multipart,
    says,
    writes,
    writes_then_is_silent,
)
from tests.data_sets import identity, make_series
from tests.peers import Peer
from tests.scp.bridge import CLOUD, bridge
from tests.scp.move.receiver import Receiver
from tests.scp.retrieving.client import STUDY_ROOT, Answer, associate, move, wish
from tests.scp.retrieving.conftest import Ask
from tests.scp.retrieving.getter import Getter
from tests.scp.retrieving.half import COUNT, WITHIN_SECONDS, half, path_of, sends_half, two_of
from tests.web_scu.dicomweb.holding import Holding

SUCCESS, SOME_FAILED, UNABLE, NOT_AUTHORIZED, CANCELLED = 0x0000, 0xB000, 0xC000, 0x0124, 0xFE00
LONGEST_COMMENT = 64

Make = Callable[[list[Path], bytes], Behaviour]
"""Gives what the server does, from what it should send, and something else that it might."""
ROWS: dict[str, tuple[Make, int, int]] = {
    "breaks off": (lambda files, _: writes(half(files), ends=True), SOME_FAILED, 2),
    "falls silent": (lambda files, _: writes_then_is_silent(half(files)), SOME_FAILED, 2),
    "another boundary": (
        lambda files, _: says("200 OK", multipart(files[0].read_bytes(), boundary="b"), kind=MULTIPART),
        UNABLE,
        0,
    ),
    "HTML": (lambda *_: says("200 OK", "<html>Log in</html>", kind="text/html"), UNABLE, 0),
    "other instances": (lambda _, other: says("200 OK", multipart(other), kind=MULTIPART), UNABLE, 0),
    "no DICOM": (lambda *_: says("200 OK", multipart(b"Hello" * 100), kind=MULTIPART), UNABLE, 0),
    "401": (lambda *_: says("401 Unauthorized"), NOT_AUTHORIZED, 0),
    "500": (lambda *_: says("500 Internal Server Error"), UNABLE, 0),
    "410": (lambda *_: says("410 Gone"), UNABLE, 0),
    "206": (
        lambda files, _: says(
            "206 Partial Content", multipart(*(file.read_bytes() for file in files[:2])), kind=MULTIPART
        ),
        SOME_FAILED,
        2,
    ),
    "a redirect loop": (
        lambda files, _: says("307 There", "", f"Location: /dicom-web/{path_of(files)}"),
        UNABLE,
        0,
    ),
}
"""What it does for each retrieve, the final status, and how many instances come all the same."""
REMEMBERED = {"206"}
"""What the server says that it lacks, it is not asked for again soon."""


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """A study for each row, of one series."""
    directory = tmp_path_factory.mktemp("rows")
    return {
        name: make_series(directory / str(seed), COUNT, seed=seed)
        for seed, name in enumerate(ROWS, start=3300)
    }


async def test_what_comes_is_counted_and_nothing_stays_of_the_rest(
    bus: Bus,
    blobs: BlobStore,
    origin_name: str,
    studies: dict[str, list[Path]],
    receiver: Receiver,
    tmp_path: Path,
    ask: Ask,
) -> None:
    (other,) = await asyncio.to_thread(make_series, tmp_path, 1, seed=3399)
    everything = [file for files in studies.values() for file in files]
    async with (
        Holding.of(everything) as holding,
        bridge(
            bus, blobs, origin_name, holding.url, destinations=[receiver.peer], timeout_seconds=2
        ) as server,
    ):
        called = Peer(CLOUD, "127.0.0.1", server.port)
        for name, (make, status, came) in ROWS.items():
            files = studies[name]
            study, path = identity(files[0]).study_instance_uid, path_of(files)
            uids = [identity(file).sop_instance_uid for file in files]
            paths = [path, *(f"{path}/instances/{uid}" for uid in uids)]
            for one in paths:
                holding.does(one, make(files, other.read_bytes()))
            wanted = wish("STUDY", StudyInstanceUID=study)
            told = await asyncio.to_thread(ask, called, wanted)
            assert (name, hex(told.status)) == (name, hex(status)), told.comment
            assert 0 < len(told.comment) <= LONGEST_COMMENT
            if came:
                assert told.counts == (came, COUNT - came, 0)
                how_many, _, why = told.comment.partition(": ")
                assert how_many == f"{COUNT - came} of {COUNT} instances lack"
                assert why
                assert sorted(told.failed_uids) == sorted(uids[came:])
            held = [blob.key async for blob in blobs.list(f"held/{origin_name}/{study}")]
            assert (name, len(held)) == (name, came)
            for one in paths:
                holding.behaves(one)
            again = await asyncio.to_thread(ask, called, wanted)
            if name in REMEMBERED:
                assert (again.status, again.counts) == (told.status, told.counts)
            else:
                assert (name, again.status, again.counts) == (name, SUCCESS, (COUNT, 0, 0))


async def test_of_several_series_those_that_do_not_come_are_counted_and_named(
    bus: Bus, blobs: BlobStore, origin_name: str, receiver: Receiver, tmp_path: Path, ask: Ask
) -> None:
    first = await asyncio.to_thread(make_series, tmp_path, COUNT, seed=3401)
    study = identity(first[0]).study_instance_uid
    second = await asyncio.to_thread(make_series, tmp_path, COUNT, seed=3402, study_uid=study)
    lost = [identity(file).sop_instance_uid for file in second]
    async with (
        Holding.of([*first, *second]) as holding,
        bridge(bus, blobs, origin_name, holding.url, destinations=[receiver.peer]) as server,
    ):
        for path in (path_of(second), *(f"{path_of(second)}/instances/{uid}" for uid in lost)):
            holding.does(path, says("500 Internal Server Error"))
        both = [identity(files[0]).series_instance_uid for files in (first, second)]
        wanted = wish("SERIES", StudyInstanceUID=study, SeriesInstanceUID=both)
        told = await asyncio.to_thread(ask, Peer(CLOUD, "127.0.0.1", server.port), wanted)
    assert (told.status, told.counts) == (SOME_FAILED, (COUNT, COUNT, 0)), told.comment
    assert sorted(told.failed_uids) == sorted(lost)
    assert told.comment


async def test_of_several_series_it_is_known_how_many_remain(
    bus: Bus, blobs: BlobStore, origin_name: str, receiver: Receiver, tmp_path: Path
) -> None:
    first = await asyncio.to_thread(make_series, tmp_path, COUNT, seed=3601)
    study = identity(first[0]).study_instance_uid
    second = await asyncio.to_thread(make_series, tmp_path, COUNT, seed=3602, study_uid=study)
    wanted = wish(
        "SERIES",
        StudyInstanceUID=study,
        SeriesInstanceUID=[identity(files[0]).series_instance_uid for files in (first, second)],
    )
    receiver.may_go_on.clear()
    async with (
        Holding.of([*first, *second]) as holding,
        bridge(bus, blobs, origin_name, holding.url, destinations=[receiver.peer]) as server,
    ):
        model = f"{STUDY_ROOT}.2"
        association = await asyncio.to_thread(associate, Peer(CLOUD, "127.0.0.1", server.port), model)
        responses = association.send_c_move(wanted, receiver.peer.ae_title, model)
        answer = Answer()
        while not answer.pending or answer.pending[-1].remaining is None:
            answer.take(*await asyncio.to_thread(next, responses))
        receiver.may_go_on.set()
        for status, identifier in await asyncio.to_thread(list, responses):
            answer.take(status, identifier)
        await asyncio.to_thread(association.release)
    assert {
        (told.remaining or 0) + (told.completed or 0) for told in answer.pending if told.remaining is not None
    } == {2 * COUNT}
    assert answer.counts == (2 * COUNT, 0, 0)


Leave = Callable[[Association, str], None]


def _abort(association: Association, _: str) -> None:
    association.abort()


def _cancel(association: Association, model: str) -> None:
    association.send_c_cancel(7, query_model=model)


@pytest.mark.parametrize("leave", [_abort, _cancel])
@pytest.mark.parametrize("operation", ["C-MOVE", "C-GET"])
async def test_the_request_to_the_server_ends_soon_when_the_client_has_enough(
    bus: Bus,
    blobs: BlobStore,
    origin_name: str,
    receiver: Receiver,
    tmp_path: Path,
    operation: str,
    leave: Leave,
) -> None:
    files = await asyncio.to_thread(make_series, tmp_path, COUNT, seed=3501)
    wanted = wish("STUDY", StudyInstanceUID=identity(files[0]).study_instance_uid)
    ended = asyncio.Event()
    async with (
        Holding.of(files) as holding,
        bridge(bus, blobs, origin_name, holding.url, destinations=[receiver.peer]) as server,
    ):
        holding.does(path_of(files), sends_half(files, ended))
        called = Peer(CLOUD, "127.0.0.1", server.port)
        if operation == "C-MOVE":
            model = f"{STUDY_ROOT}.2"
            association = await asyncio.to_thread(associate, called, model)
            responses = association.send_c_move(wanted, receiver.peer.ae_title, model, msg_id=7)
        else:
            model = f"{STUDY_ROOT}.3"
            association = await asyncio.to_thread(Getter().associate, called)
            responses = association.send_c_get(wanted, model, msg_id=7)
        answer = await two_of(responses)
        await asyncio.to_thread(leave, association, model)
        async with asyncio.timeout(WITHIN_SECONDS):
            if leave is _cancel:
                for status, identifier in await asyncio.to_thread(list, responses):
                    answer.take(status, identifier)
                assert (answer.status, answer.counts) == (CANCELLED, (2, 0, 0))
            await ended.wait()
        await asyncio.to_thread(association.abort)
        holding.behaves(path_of(files))
        again = await asyncio.to_thread(move, called, receiver.peer.ae_title, wanted)
        assert (again.status, again.counts) == (SUCCESS, (COUNT, 0, 0))
