"""Storing to a DICOMweb server: what a job names arrives as it is, and each instance has its own answer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore, spool_key
from isthmus.common.bus import Bus
from isthmus.common.bus.stores import new_job, run_store
from isthmus.common.config import DicomwebOrigin
from isthmus.common.messages import BlobRef, InstanceStored, Store
from isthmus.web_scu.dicomweb import sending
from isthmus.web_scu.dicomweb.sending import BYTES_AT_ONCE, INSTANCES_AT_ONCE, batches
from tests.common.webclient.web_origin import Behaviour, Request, Site, says, writes, writes_then_is_silent
from tests.data_sets import identity, make_series, raw_dataset
from tests.peers import Orthanc
from tests.waiting import PATIENCE
from tests.web_scu.dicomweb.conftest import Serve, dicomweb_of
from tests.web_scu.dicomweb.taking import Takes, instances_in

STORED = (0x0000, None)


@pytest.fixture(scope="session")
def series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four images of one study."""
    return make_series(tmp_path_factory.mktemp("series"), 4)


@pytest.fixture(scope="session")
def uids(series: list[Path]) -> list[str]:
    """Their SOP Instance UIDs."""
    return [identity(file).sop_instance_uid for file in series]


async def job_of(blobs: BlobStore, origin: str, files: Sequence[Path]) -> Store:
    """Put files into the spool, where a face does, and name them in a job."""
    job, refs = new_job(), []
    for number, file in enumerate(files):
        key, data, who = spool_key(job, number), file.read_bytes(), identity(file)
        await blobs.put(key, data)
        uids = (who.study_instance_uid, who.series_instance_uid, who.sop_instance_uid)
        refs.append(BlobRef(blobs.bucket, key, len(data), *uids, "1.2.840.10008.5.1.4.1.1.2", "1.2"))
    return Store(origin, job, tuple(refs))


async def results_of(bus: Bus, store: Store) -> list[InstanceStored]:
    async with run_store(bus, store) as results:
        return sorted([one async for one in results], key=lambda one: one.index)


StoreTo = Callable[[Sequence[Path]], Awaitable[list[tuple[int, str | None]]]]
"""Stores files, and gives the status of each and the kind of its failure."""


def storing_to(bus: Bus, blobs: BlobStore, origin: DicomwebOrigin) -> StoreTo:
    async def stored(files: Sequence[Path]) -> list[tuple[int, str | None]]:
        results = await results_of(bus, await job_of(blobs, origin.name, files))
        assert [one.index for one in results] == list(range(len(files)))
        uids = [identity(file).sop_instance_uid for file in files]
        assert [one.sop_instance_uid for one in results] == uids
        return [(one.status, one.failure.kind if one.failure else None) for one in results]

    return stored


@pytest.fixture
def store(bus: Bus, blobs: BlobStore, origin: DicomwebOrigin) -> StoreTo:
    """Stores to the server."""
    return storing_to(bus, blobs, origin)


@pytest.fixture
async def store_in_turn(bus: Bus, blobs: BlobStore, serve: Serve, origin_name: str, site: Site) -> StoreTo:
    """Likewise, by one request after the other."""
    return storing_to(bus, blobs, await serve(origin_name, site.url, connections=1))


async def test_a_server_that_takes_no_chunks_is_told_the_length(
    store_in_turn: StoreTo, site: Site, series: list[Path]
) -> None:
    site.does(Takes())
    assert await store_in_turn(series) == [STORED] * 4
    (request,) = site.requests
    assert "transfer-encoding" not in request.headers
    assert int(request.headers["content-length"]) == len(request.body)


async def test_what_is_stored_is_there_as_it_was_sent(
    bus: Bus,
    blobs: BlobStore,
    serve: Serve,
    origin_name: str,
    empty_orthanc: Orthanc,
    series: list[Path],
    tmp_path: Path,
) -> None:
    origin = await serve(origin_name, dicomweb_of(empty_orthanc))
    files = [*series, *make_series(tmp_path, 2, seed=1)]
    store = storing_to(bus, blobs, origin)
    assert await store(files) == [STORED] * 6
    held = {one.sop_instance_uid: key for key, one in empty_orthanc.held().items()}
    for file in files:
        sent = empty_orthanc.file(held[identity(file).sop_instance_uid])
        assert raw_dataset(sent) == raw_dataset(file)
    assert await store(files) == [STORED] * 6  # it has them already


async def test_what_is_no_dicom_is_refused_and_the_others_are_stored(
    bus: Bus,
    blobs: BlobStore,
    serve: Serve,
    origin_name: str,
    empty_orthanc: Orthanc,
    series: list[Path],
) -> None:
    origin = await serve(origin_name, dicomweb_of(empty_orthanc))
    job = await job_of(blobs, origin.name, series)
    await blobs.put(job.blobs[1].key, bytes(job.blobs[1].size))
    results = await results_of(bus, job)
    assert [one.failure is None for one in results] == [True, False, True, True]
    assert len(empty_orthanc.held()) == 3


async def test_instances_of_one_study_go_together(
    store: StoreTo, site: Site, series: list[Path], uids: list[str]
) -> None:
    site.does(Takes())
    assert await store(series) == [STORED] * 4
    (request,) = site.requests
    assert (request.method, request.target) == ("POST", "/dicom-web/studies")
    assert instances_in(request) == uids


async def test_10_5_3_each_instance_has_its_own_answer(
    store: StoreTo, site: Site, series: list[Path], uids: list[str]
) -> None:
    site.does(Takes("202 Accepted", failed={uids[0]: 0xA700, uids[1]: 0xC122}, warned={uids[2]: 0xB007}))
    assert await store(series) == [
        (0xA700, "HttpOperationFailed"),
        (0xC122, "HttpOperationFailed"),
        (0xB007, None),
        STORED,
    ]
    assert len(site.requests) == 1


@pytest.mark.parametrize("reason", [0x0000, 0x0001, 0xB000, 0xB00E, 0xFF00, 70000])
async def test_a_failure_whose_reason_is_none_is_a_failure(
    store: StoreTo, site: Site, series: list[Path], uids: list[str], reason: int
) -> None:
    site.does(Takes("202 Accepted", failed={uids[0]: reason}))
    assert await store(series[:1]) == [(0x0110, "HttpOperationFailed")]


async def test_a_warning_whose_reason_is_none_is_a_warning(
    store: StoreTo, site: Site, series: list[Path], uids: list[str]
) -> None:
    site.does(Takes("202 Accepted", warned={uids[0]: 1}))
    assert await store(series[:1]) == [(0xB000, None)]


async def test_what_the_server_says_nothing_of_is_not_stored(
    store: StoreTo, site: Site, series: list[Path], uids: list[str]
) -> None:
    site.does(Takes(unsaid=(uids[2],)))
    assert await store(series) == [STORED, STORED, (0x0110, "MalformedAnswer"), STORED]
    site.does(says("202 Accepted"))
    assert await store(series[:1]) == [(0x0110, "MalformedAnswer")]


@pytest.mark.parametrize("behaviour", [says("200 OK"), says("204 No Content"), says("200 OK", "{}")])
async def test_a_server_that_says_that_all_is_stored_need_not_name_it(
    store: StoreTo, site: Site, series: list[Path], behaviour: Behaviour
) -> None:
    site.does(behaviour)
    assert await store(series) == [STORED] * 4


@pytest.mark.parametrize("status", ["400 Bad Request", "409 Conflict", "413 Too Large", "500 Broken"])
async def test_what_is_refused_together_is_sent_one_by_one(
    store: StoreTo, site: Site, series: list[Path], uids: list[str], status: str
) -> None:
    site.does(says(status), Takes(), says(status, "P1"), Takes())
    assert await store(series) == [
        STORED,
        (0x0110, "HttpOperationFailed"),
        STORED,
        STORED,
    ]
    assert [instances_in(request) for request in site.requests] == [uids, *([uid] for uid in uids)]


@pytest.mark.parametrize("refuses", [says("413 Too Large"), writes(b"", ends=True)], ids=["413", "gone"])
async def test_a_server_for_which_several_are_too_much_gets_no_others_together(
    store_in_turn: StoreTo,
    site: Site,
    series: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    refuses: Behaviour,
) -> None:
    """Some say so, others break off in the middle of what is sent."""
    monkeypatch.setattr(sending, "INSTANCES_AT_ONCE", 2)
    together: list[int] = []

    async def behaviour(request: Request, writer: asyncio.StreamWriter) -> None:
        sent = len(instances_in(request))
        together.append(sent)
        await (refuses if sent > 1 else Takes())(request, writer)

    site.does(behaviour)
    assert await store_in_turn(series) == [STORED] * 4
    assert together in ([2, 1, 1, 1, 1], [2, 2, 1, 1, 1, 1])


async def test_a_server_that_breaks_off_over_each_instance_is_not_sent_all_of_them(
    store_in_turn: StoreTo, site: Site, series: list[Path]
) -> None:
    site.does(writes(b"", ends=True))
    results = await store_in_turn(series)
    assert [kind for _, kind in results] == ["OriginUnreachable"] * 4
    singles = [request for request in site.requests if len(instances_in(request)) == 1]
    assert len(singles) == sending.BROKE_OFF_AT_MOST * sending.TRIES


@pytest.mark.parametrize("status", ["409 Conflict", "400 Bad Request"])
async def test_what_all_is_refused_by_name_is_not_sent_again(
    store: StoreTo, site: Site, series: list[Path], uids: list[str], status: str
) -> None:
    site.does(Takes(status, failed=dict.fromkeys(uids, 0x0122)))
    assert await store(series) == [(0x0122, "HttpOperationFailed")] * 4
    assert len(site.requests) == 1


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "404 Not Found", "501 Not There"])
async def test_a_refusal_that_is_for_all_ends_the_job(
    store_in_turn: StoreTo, site: Site, series: list[Path], monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    monkeypatch.setattr(sending, "INSTANCES_AT_ONCE", 2)
    site.does(says(status))
    assert await store_in_turn(series) == [(0x0110, "HttpOperationFailed")] * 4
    assert len(site.requests) == 1


async def test_two_requests_of_a_job_are_under_way_at_one_time(
    store: StoreTo, site: Site, series: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "INSTANCES_AT_ONCE", 1)
    both = asyncio.Barrier(2)

    async def waits(request: Request, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(PATIENCE):
            await both.wait()
        await Takes()(request, writer)

    site.does(waits)
    assert await store(series) == [STORED] * 4


async def test_a_server_that_is_busy_is_asked_again(store: StoreTo, site: Site, series: list[Path]) -> None:
    site.does(says("503 Service Unavailable", "", "Retry-After: 0"), Takes())
    assert await store(series) == [STORED] * 4


async def test_an_answer_that_got_lost_is_asked_for_again(
    store: StoreTo, site: Site, series: list[Path], uids: list[str]
) -> None:
    site.does(writes(b"", ends=True), Takes())
    assert await store(series) == [STORED] * 4
    assert [instances_in(request) for request in site.requests] == [uids, uids]


@pytest.mark.parametrize(
    ("behaviour", "kinds", "requests"),
    [
        (writes(b"", ends=True), ["OriginUnreachable"] * 4, 8),
        (writes_then_is_silent(), ["OriginTimeout"] * 2 + ["NotTried"] * 2, 1),
        (says("200 OK", "<html>P1</html>", kind="text/html"), ["MalformedAnswer"] * 4, 2),
        (writes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", ends=True), ["TruncatedAnswer"] * 4, 4),
    ],
)
async def test_without_an_answer_nothing_is_stored_and_the_next_job_works(
    bus: Bus,
    blobs: BlobStore,
    serve: Serve,
    origin_name: str,
    site: Site,
    series: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    behaviour: Behaviour,
    kinds: list[str],
    requests: int,
) -> None:
    monkeypatch.setattr(sending, "INSTANCES_AT_ONCE", 2)
    # A short one also bounds the time for connecting, which a busy machine may take.
    seconds = 1 if "OriginTimeout" in kinds else 30
    origin = await serve(origin_name, site.url, timeout_seconds=seconds, connections=1)
    store = storing_to(bus, blobs, origin)
    site.does(behaviour)
    assert await store(series) == [(0x0110, kind) for kind in kinds]
    assert len(site.requests) == requests
    site.does(Takes())
    assert await store(series) == [STORED] * 4


async def test_what_s3_does_not_have_fails_alone(
    bus: Bus, blobs: BlobStore, origin: DicomwebOrigin, site: Site, series: list[Path], uids: list[str]
) -> None:
    site.does(Takes())
    job = await job_of(blobs, origin.name, series)
    await blobs.delete(job.blobs[2].key)
    results = await results_of(bus, job)
    assert [one.failure and one.failure.kind for one in results] == [None, None, "BlobMissing", None]
    assert [instances_in(request) for request in site.requests] == [[*uids[:2], uids[3]]]


async def test_a_job_that_ends_with_its_worker_is_done_by_the_next(
    bus: Bus, blobs: BlobStore, serve: Serve, origin_name: str, site: Site, series: list[Path]
) -> None:
    site.does(writes_then_is_silent())
    job = await job_of(blobs, origin_name, series)
    async with serve.one(origin_name, site.url), run_store(bus, job) as results:
        async with asyncio.timeout(PATIENCE):
            await site.asked.wait()
    site.does(Takes())
    await serve(origin_name, site.url)
    async with run_store(bus, job) as results:
        assert [one.failure async for one in results] == [None] * 4


def refs(*sizes: tuple[str, int]) -> list[tuple[int, BlobRef]]:
    return [
        (index, BlobRef("b", "k", size, study, "2", str(index), "4", "5"))
        for index, (study, size) in enumerate(sizes)
    ]


@pytest.mark.parametrize(
    ("instances", "lengths"),
    [
        ([], []),
        ([("1", 10)] * (INSTANCES_AT_ONCE + 1), [INSTANCES_AT_ONCE, 1]),
        ([("1", BYTES_AT_ONCE - 1), ("1", 1), ("1", 1)], [2, 1]),
        ([("1", 1), ("1", 2 * BYTES_AT_ONCE), ("1", 1)], [1, 1, 1]),
        ([("1", 1), ("2", 1), ("2", 1), ("1", 1)], [1, 2, 1]),
    ],
)
def test_a_request_is_bounded_and_of_one_study(instances: list[tuple[str, int]], lengths: list[int]) -> None:
    assert [len(batch) for batch in batches(refs(*instances))] == lengths
