"""What `isthmus cache` tells of a store, and leaves of it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import orjson
import pytest

from isthmus.cli.cache import clear, show
from isthmus.cli.run_file import CachePart, NatsPart, NotRunning, RunFile, S3Part, ScpPart, hold
from isthmus.common.blobs import BlobStore, derived_key, held_key
from isthmus.common.bus import Bus, jobs
from isthmus.common.bus.guard import guard
from isthmus.common.bus.subjects import token
from isthmus.common.config.settings import S3, Nats
from isthmus.common.inbox.state import States
from isthmus.common.messages import BlobRef, MissingInstance, Retrieve, encode
from isthmus.common.retrieval import Catalogue, HeldInstance, HeldSeries, Manifest
from isthmus.common.retrieval.reads import LastRead
from isthmus.common.threads import Threads
from tests.common.inbox.studies import arrived
from tests.data_sets import make_series

SERIES = "1.2.3"
MAX_BYTES = 50_000_000_000


@pytest.fixture
async def blobs(s3_settings: S3) -> AsyncIterator[BlobStore]:
    """An empty store."""
    threads = Threads("test-s3", 4)
    store = BlobStore(
        s3_settings.endpoint, s3_settings.access_key, s3_settings.secret_key, "cache", threads=threads
    )
    await store.ensure_bucket()
    await store.delete_all([listed.key async for listed in store.list("")])
    yield store
    store.close()
    threads.close()


@pytest.fixture(autouse=True)
def system(data: Path, nats_settings: Nats, s3_settings: S3, blobs: BlobStore) -> Iterator[None]:
    """What the commands find of a running system."""
    s3 = s3_settings.model_dump() | {"bucket": blobs.bucket}
    with hold(data):
        RunFile(
            gateway="http://127.0.0.1:1",
            nats=NatsPart.model_validate(nats_settings.model_dump()),
            s3=S3Part.model_validate(s3),
            scp=ScpPart(ae_title="ISTHMUS", host="127.0.0.1", port=11112),
            cache=CachePart(max_bytes=MAX_BYTES),
            services={},
        ).write(data)
        yield


class Origin:
    """An origin of which something is held."""

    def __init__(self, bus: Bus, blobs: BlobStore, name: str) -> None:
        self._bus = bus
        self._blobs = blobs
        self.name = name

    async def hold(self, study: str, *, count: int = 1, listed: int = 1, missing: int = 0) -> None:
        """Hold so many instances of 100 bytes, and 10 bytes that were made from them."""
        held = []
        for number in range(count):
            key = held_key(self.name, study, SERIES, str(number), "d")
            await self._blobs.put(key, bytes(100))
            ref = BlobRef(self._blobs.bucket, key, 100, study, SERIES, str(number), "1", "2")
            held.append(HeldInstance(ref, 1.0))
        await self._blobs.put(derived_key(self.name, study, SERIES, "metadata-d"), bytes(10))
        lacks = tuple(MissingInstance(SERIES, f"missing-{number}") for number in range(missing))
        series = HeldSeries(SERIES, tuple(held), listed, 1.0, lacks)
        await Catalogue(self._blobs).save(Manifest(self.name, study, (series,), 1.0))

    async def leave(self, study: str) -> None:
        """Leave what no manifest names."""
        await self._blobs.put(held_key(self.name, study, SERIES, "1", "d"), bytes(100))

    async def read(self, study: str, at: float) -> None:
        """Read a study."""
        subject = f"$KV.READS.{self.name}.{token(study)}"
        await self._bus.jetstream.publish(subject, encode(LastRead(self.name, study, at)))

    async def left(self) -> set[str]:
        """Give the studies of which anything is left."""
        return {
            listed.key.split("/")[2]
            for kind in ("manifests", "held", "derived")
            async for listed in self._blobs.list(f"{kind}/{self.name}/")
        }


@pytest.fixture
def origin(bus: Bus, blobs: BlobStore, origin_name: str) -> Origin:
    return Origin(bus, blobs, f"a-{origin_name}")


@pytest.fixture
def other(bus: Bus, blobs: BlobStore) -> Origin:
    return Origin(bus, blobs, f"b-{uuid4().hex[:12]}")


async def test_without_a_running_system_nothing_can_be_said(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        await show(tmp_path, studies=False, as_json=True)
    with pytest.raises(NotRunning):
        await clear(tmp_path, None, None, as_json=True)


async def test_where_nothing_is_held_the_bound_is_shown(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await show(data, studies=True, as_json=False)
    assert capsys.readouterr().out == "0 bytes held, at most 50.0 GB\n"


async def test_what_is_in_an_inbox_is_neither_shown_nor_cleared(
    data: Path, bus: Bus, blobs: BlobStore, origin: Origin, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    files = make_series(tmp_path / "files", 2)
    (state,) = await arrived(bus, blobs, origin.name, files)
    before = {listed.key async for listed in blobs.list("")}
    await show(data, studies=True, as_json=False)
    assert capsys.readouterr().out == "0 bytes held, at most 50.0 GB\n"
    for name, study in ((None, None), (origin.name, None), (origin.name, state.study)):
        assert await clear(data, name, study, as_json=True)
        assert orjson.loads(capsys.readouterr().out)["studies"] == 0
    assert {listed.key async for listed in blobs.list("")} == before
    assert (await States(bus).get(origin.name, state.study)).state == state


async def test_each_origin_is_shown_with_what_is_held_of_it(
    data: Path, origin: Origin, other: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    await origin.hold("1.1", count=2, listed=2)
    await origin.hold("1.2")
    await origin.hold("1.3")
    await other.hold("1.1")
    await origin.read("1.1", 1_700_000_060.7)
    await origin.read("1.2", 1_700_000_000)
    await show(data, studies=False, as_json=True)
    assert orjson.loads(capsys.readouterr().out) == {
        "max_bytes": MAX_BYTES,
        "bytes": 540,
        "studies": 4,
        "instances": 5,
        "origins": [
            {
                "origin": origin.name,
                "studies": 3,
                "instances": 4,
                "bytes": 430,
                "oldest_read": "2023-11-14T22:13:20Z",
                "newest_read": "2023-11-14T22:14:20Z",
            },
            {
                "origin": other.name,
                "studies": 1,
                "instances": 1,
                "bytes": 110,
                "oldest_read": None,
                "newest_read": None,
            },
        ],
    }
    await show(data, studies=False, as_json=False)
    header, first, second, total = capsys.readouterr().out.splitlines()
    assert header.split() == ["Origin", "Studies", "Instances", "Size", "OldestRead", "NewestRead"]
    assert first.split()[:5] == [origin.name, "3", "4", "430", "bytes"]
    assert second.split() == [other.name, "1", "1", "110", "bytes", "-", "-"]
    assert total == "540 bytes held, at most 50.0 GB"


async def test_each_study_tells_whether_it_is_whole_and_what_lacks(
    data: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    await origin.hold("1.1", listed=1)
    await origin.hold("1.2", listed=2)
    await origin.hold("1.3", listed=3, missing=2)
    await origin.leave("1.4")
    for number in range(4):
        await origin.read(f"1.{number + 1}", 4_000_000_000 + number)
    await show(data, studies=True, as_json=True)
    held = orjson.loads(capsys.readouterr().out)["held"]
    assert [(one["study"], one["whole"], one["leftover"]) for one in held] == [
        ("1.1", True, False),
        ("1.2", False, False),
        ("1.3", False, False),
        ("1.4", False, True),
    ]
    assert held[2] == {
        "origin": origin.name,
        "study": "1.3",
        "instances": 1,
        "bytes": 110,
        "whole": False,
        "leftover": False,
        "last_read": "2096-10-02T07:06:42Z",
        "missing": [{"series": SERIES, "instance": f"missing-{number}"} for number in range(2)],
    }
    await show(data, studies=True, as_json=False)
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.count("1.")]
    assert [(row[1], row[5]) for row in rows] == [
        ("1.1", "whole"),
        ("1.2", "part"),
        ("1.3", "part"),
        ("1.4", "leftover"),
    ]
    assert [row[-1] for row in rows] == ["-", "-", "missing-0", "-"]


async def test_clearing_leaves_a_study_of_which_a_job_is_there_and_says_so(
    data: Path, bus: Bus, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    for study in ("1.1", "1.2", "1.3"):
        await origin.hold(study)
    await jobs.submit_retrieve(bus, Retrieve(origin.name, "1.1"))
    async with guard(bus, origin.name, "1.2", None):
        assert not await clear(data, None, None, as_json=True)
        answer = orjson.loads(capsys.readouterr().out)
        skipped = sorted(one["study"] for one in answer.pop("skipped"))
        assert (answer, skipped) == ({"studies": 1, "bytes": 110}, ["1.1", "1.2"])
        assert not await clear(data, origin.name, "1.2", as_json=False)
    said = capsys.readouterr()
    assert f"{origin.name} 1.2: not cleared, because a job is at work on it" in said.err
    assert said.out == "0 studies cleared, 0 bytes freed\n"
    assert await origin.left() == {"1.1", "1.2"}


async def test_what_is_not_there_is_cleared_already(
    data: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await clear(data, origin.name, "1.1", as_json=True)
    assert orjson.loads(capsys.readouterr().out) == {"studies": 0, "bytes": 0, "skipped": []}


async def test_a_study_is_cleared_and_its_neighbours_stay(data: Path, origin: Origin, other: Origin) -> None:
    for one in (origin, other):
        await one.hold("1.1")
        await one.hold("1.1.2")
    assert await clear(data, origin.name, "1.1", as_json=False)
    assert await origin.left() == {"1.1.2"}
    assert await other.left() == {"1.1", "1.1.2"}


async def test_an_origin_is_cleared_and_the_others_stay(data: Path, origin: Origin, other: Origin) -> None:
    for one in (origin, other):
        await one.hold("1.1")
    assert await clear(data, origin.name, None, as_json=False)
    assert await origin.left() == set()
    assert await other.left() == {"1.1"}


async def test_everything_is_cleared_also_what_was_read_just_now_and_leftovers(
    data: Path, origin: Origin, other: Origin, blobs: BlobStore, capsys: pytest.CaptureFixture[str]
) -> None:
    await origin.hold("1.1")
    await origin.leave("1.2")
    await other.hold("1.1")
    await other.read("1.1", 4_000_000_000)
    assert await clear(data, None, None, as_json=False)
    assert capsys.readouterr().out == "3 studies cleared, 320 bytes freed\n"
    assert [listed.key async for listed in blobs.list("")] == []
