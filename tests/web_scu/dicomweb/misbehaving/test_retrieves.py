"""Retrieving from a DICOMweb server that misbehaves: all comes, or it is said what lacks."""

import asyncio
import json
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.errors import OriginCancelled
from isthmus.common.messages import InstanceReady, Retrieve
from isthmus.common.retrieving import retrieve
from tests.common.retrieving.facts import done, facts_of, following, ready
from tests.common.webclient.web_origin import (
    MULTIPART,
    Behaviour,
    Request,
    multipart,
    says,
    writes,
    writes_then_is_silent,
)
from tests.data_sets import identity, make_series
from tests.waiting import PATIENCE
from tests.web_scu.dicomweb.conftest import Serve
from tests.web_scu.dicomweb.holding import Holding
from tests.web_scu.dicomweb.misbehaving.ends import COUNT, in_part, lacks, whole

HTML = says("200 OK", "<html>Please log in</html>", kind="text/html")


async def test_a_series_comes_as_one_stream(
    bus: Bus, holding: Holding, study: Retrieve, series: str, uids: list[str]
) -> None:
    facts = await facts_of(bus, study)
    assert whole(done(facts))
    assert sorted(ready(facts)) == sorted(uids)
    assert holding.retrieved == [series]


async def test_what_is_held_is_not_retrieved_again(
    bus: Bus, holding: Holding, study: Retrieve, series: str
) -> None:
    assert whole(done(await facts_of(bus, study)))
    again = done(await facts_of(bus, study))
    assert (again.confirmed, again.failure) == (True, None)
    assert holding.retrieved == [series]


async def test_an_instance_is_there_while_the_body_still_runs(
    bus: Bus, holding: Holding, study: Retrieve, series: str, contents: list[bytes], uids: list[str]
) -> None:
    one_is_there = asyncio.Event()

    async def waits(_: Request, writer: asyncio.StreamWriter) -> None:
        body = multipart(*contents)
        after_one = len(multipart(contents[0]))
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {MULTIPART}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body[:after_one])
        await writer.drain()
        async with asyncio.timeout(PATIENCE):
            await one_is_there.wait()
        writer.write(body[after_one:])

    holding.does(series, waits)
    async with following(bus, study) as facts:
        came = []
        async for fact in facts:
            came.append(fact)
            if isinstance(fact, InstanceReady):
                one_is_there.set()
    assert whole(done(came))
    assert ready(came)[0] == uids[0]
    assert holding.retrieved == [series]


@pytest.mark.parametrize(
    "behaviour",
    [
        HTML,
        says("200 OK", b"--another\r\n\r\n", kind=MULTIPART),
        says("200 OK", b"", kind=MULTIPART),
        says("204 No Content"),
        says("400 Bad Request"),
        says("404 Not Found"),
        says("500 Internal Server Error"),
        says("501 Not Implemented"),
        says("200 OK", "{}"),
        writes(b"", ends=True),
        writes(b"no HTTP at all\r\n\r\n", ends=True),
        writes(b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom\r\n\r\n", ends=True),
    ],
    ids=["html", "boundary", "empty", "204", "400", "404", "500", "501", "json", "gone", "noise", "endless"],
)
async def test_a_server_that_sends_no_whole_series_is_asked_for_each_instance(
    bus: Bus, holding: Holding, study: Retrieve, series: str, uids: list[str], behaviour: Behaviour
) -> None:
    holding.does(series, behaviour)
    facts = await facts_of(bus, study)
    assert whole(done(facts))
    assert sorted(ready(facts)) == sorted(uids)
    alone = [path for path in holding.retrieved if path != series]
    assert sorted(alone) == sorted(f"{series}/instances/{uid}" for uid in uids)


async def test_of_a_body_that_breaks_off_what_was_whole_is_kept_and_the_rest_is_asked_for(
    bus: Bus,
    blobs: BlobStore,
    holding: Holding,
    study: Retrieve,
    series: str,
    contents: list[bytes],
    uids: list[str],
) -> None:
    holding.does(series, writes(in_part(*contents[:2], contents[2][:-100]).removesuffix(b"\r\n"), ends=True))
    facts = await facts_of(bus, study)
    assert whole(done(facts))
    alone = [path for path in holding.retrieved if path != series]
    assert sorted(alone) == sorted(f"{series}/instances/{uid}" for uid in uids[2:])
    third = next(
        fact.blob
        for fact in facts
        if isinstance(fact, InstanceReady) and fact.blob.sop_instance_uid == uids[2]
    )
    assert await blobs.get(third.key) == contents[2]


async def test_of_a_part_of_the_series_the_rest_is_asked_for(
    bus: Bus, holding: Holding, study: Retrieve, series: str, contents: list[bytes], uids: list[str]
) -> None:
    holding.does(series, says("206 Partial Content", multipart(*contents[:3]), kind=MULTIPART))
    facts = await facts_of(bus, study)
    assert whole(done(facts))
    alone = [path for path in holding.retrieved if path != series]
    assert sorted(alone) == sorted(f"{series}/instances/{uid}" for uid in uids[3:])


async def test_success_that_sends_less_than_is_listed_is_not_believed(
    bus: Bus, holding: Holding, study: Retrieve, series: str, contents: list[bytes], uids: list[str]
) -> None:
    holding.does(series, says("200 OK", multipart(*contents[:3]), kind=MULTIPART))
    holding.does(f"{series}/instances/{uids[4]}", says("404 Not Found"))
    end = done(await facts_of(bus, study))
    assert (end.completed, lacks(end)) == (4, [uids[4]])
    assert end.failure is not None


async def test_an_instance_that_is_another_than_was_asked_for_lacks(
    bus: Bus, holding: Holding, study: Retrieve, series: str, contents: list[bytes], uids: list[str]
) -> None:
    holding.does(series, says("200 OK", multipart(*contents[:4]), kind=MULTIPART))
    holding.does(f"{series}/instances/{uids[4]}", says("200 OK", multipart(contents[0]), kind=MULTIPART))
    end = done(await facts_of(bus, study))
    assert (end.completed, lacks(end)) == (4, [uids[4]])
    assert end.failure is not None


async def test_an_instance_of_another_study_is_not_kept(
    bus: Bus,
    holding: Holding,
    study: Retrieve,
    series: str,
    contents: list[bytes],
    uids: list[str],
    tmp_path: Path,
) -> None:
    (other,) = make_series(tmp_path, 1, seed=901)
    body = multipart(contents[0], other.read_bytes(), *contents[1:])
    holding.does(series, says("200 OK", body, kind=MULTIPART))
    facts = await facts_of(bus, study)
    assert whole(done(facts))
    assert sorted(ready(facts)) == sorted(uids)


async def test_what_could_not_be_had_is_named_and_not_asked_for_again_soon(
    bus: Bus, holding: Holding, study: Retrieve, series: str, uids: list[str]
) -> None:
    bad = f"{series}/instances/{uids[1]}"
    holding.files = {one: data for one, data in holding.files.items() if one.sop_instance_uid != uids[1]}
    listed = holding.listed(f"{series}/instances")
    listed.append({**listed[0], "00080018": {"vr": "UI", "Value": [uids[1]]}})
    holding.does(f"{series}/instances", says("200 OK", json.dumps(listed)))
    holding.does(bad, says("500 Internal Server Error"))
    end = done(await facts_of(bus, study))
    assert (end.completed, lacks(end)) == (4, [uids[1]])
    asked = holding.retrieved.count(bad)
    assert 1 <= asked <= 3
    assert lacks(done(await facts_of(bus, study))) in ([], [uids[1]])
    assert holding.retrieved.count(bad) == asked


async def test_a_server_that_does_not_know_us_is_not_asked_for_everything(
    bus: Bus, holding: Holding, study: Retrieve, series: str, uids: list[str]
) -> None:
    refused = says("403 Forbidden")
    for path in (series, *(f"{series}/instances/{uid}" for uid in uids)):
        holding.does(path, refused)
    end = done(await facts_of(bus, study))
    assert end.completed == 0
    assert sorted(lacks(end)) == sorted(uids)
    assert end.failure is not None
    assert "403" in end.failure.detail


@pytest.mark.parametrize("patience", [2.0])
async def test_silence_in_the_middle_of_a_body_ends_in_time_and_says_so(
    bus: Bus, holding: Holding, study: Retrieve, series: str, contents: list[bytes], uids: list[str]
) -> None:
    holding.does(series, writes_then_is_silent(in_part(*contents[:2]) + b"--frontier\r\n"))
    for uid in uids[2:]:
        holding.does(f"{series}/instances/{uid}", writes_then_is_silent())
    end = done(await facts_of(bus, study))
    assert (end.completed, sorted(lacks(end))) == (2, sorted(uids[2:]))
    assert holding.retrieved.count(series) == 1
    assert end.failure is not None


async def test_a_server_that_knows_no_wildcard_of_transfer_syntaxes_is_asked_without(
    bus: Bus, holding: Holding, study: Retrieve, series: str, contents: list[bytes]
) -> None:
    async def picky(request: Request, writer: asyncio.StreamWriter) -> None:
        takes = "transfer-syntax" not in request.headers["accept"]
        answer = says("200 OK", multipart(*contents), kind=MULTIPART) if takes else says("406 Not Acceptable")
        await answer(request, writer)

    holding.does(series, picky)
    assert whole(done(await facts_of(bus, study)))
    assert holding.retrieved == [series, series]


async def test_an_instance_may_come_without_multipart(
    bus: Bus, holding: Holding, study: Retrieve, series: str, contents: list[bytes], uids: list[str]
) -> None:
    one = Retrieve(study.origin, study.study, series.rpartition("/")[2], uids[0])
    holding.does(f"{series}/instances/{uids[0]}", says("200 OK", contents[0], kind="application/dicom"))
    facts = await facts_of(bus, one)
    assert (ready(facts), done(facts).failure) == ([uids[0]], None)
    assert holding.retrieved == [f"{series}/instances/{uids[0]}"]


async def test_a_server_that_knows_no_multipart_is_asked_for_each_instance_without(
    bus: Bus, holding: Holding, study: Retrieve, series: str, contents: list[bytes], uids: list[str]
) -> None:
    async def refuses_multipart(request: Request, writer: asyncio.StreamWriter) -> None:
        uid = request.target.rpartition("/")[2]
        if uid in uids and request.headers["accept"].startswith("application/dicom"):
            behaviour = says("200 OK", contents[uids.index(uid)], kind="application/dicom")
        else:
            behaviour = says("406 Not Acceptable")
        await behaviour(request, writer)

    for path in (series, *(f"{series}/instances/{uid}" for uid in uids)):
        holding.does(path, refuses_multipart)
    facts = await facts_of(bus, study)
    assert whole(done(facts))
    assert sorted(ready(facts)) == sorted(uids)


async def test_what_is_not_there_is_nothing(bus: Bus, holding: Holding, study: Retrieve, series: str) -> None:
    for wanted in (
        Retrieve(study.origin, "1.2.3"),
        Retrieve(study.origin, study.study, "1.2.3"),
        Retrieve(study.origin, study.study, series.rpartition("/")[2], "1.2.3"),
    ):
        end = done(await facts_of(bus, wanted))
        assert (end.completed, end.missing, end.failure, end.unlisted) == (0, (), None, False)


async def test_a_server_that_fails_with_everything_is_not_asked_for_all_of_it(
    bus: Bus, serve: Serve, origin_name: str, tmp_path: Path
) -> None:
    many = make_series(tmp_path, 120, seed=902)
    async with Holding.of(many) as holding:
        await serve(origin_name, holding.url)
        one = identity(many[0])
        series = f"studies/{one.study_instance_uid}/series/{one.series_instance_uid}"
        for path in (series, *(f"{series}/instances/{identity(file).sop_instance_uid}" for file in many)):
            holding.does(path, says("500 Internal Server Error"))
        end = done(await facts_of(bus, Retrieve(origin_name, one.study_instance_uid)))
        assert (end.completed, len(end.missing)) == (0, 120)
        assert len(holding.retrieved) < 60


async def test_a_server_that_falls_over_one_instance_sends_the_others(
    bus: Bus, holding: Holding, study: Retrieve, series: str, contents: list[bytes], uids: list[str]
) -> None:
    holding.does(series, writes(in_part(*contents[:1]), ends=True))
    holding.does(f"{series}/instances/{uids[1]}", writes(b"", ends=True))
    end = done(await facts_of(bus, study))
    assert (end.completed, lacks(end)) == (4, [uids[1]])


async def test_what_no_url_can_name_comes_with_its_series_or_lacks(
    bus: Bus, holding: Holding, study: Retrieve, series: str
) -> None:
    listed = holding.listed(f"{series}/instances")
    listed.append({**listed[0], "00080018": {"vr": "UI", "Value": ["../../studies"]}})
    holding.does(f"{series}/instances", says("200 OK", json.dumps(listed)))
    end = done(await facts_of(bus, study))
    assert (end.completed, lacks(end)) == (COUNT, ["../../studies"])
    assert holding.retrieved == [series]


async def test_a_part_that_is_called_so_is_not_the_whole_where_more_is_counted_than_listed(
    bus: Bus, holding: Holding, study: Retrieve, series: str, contents: list[bytes]
) -> None:
    holding.does(f"{series}/instances", says("200 OK", json.dumps(holding.listed(f"{series}/instances")[:3])))
    holding.does(series, says("206 Partial Content", multipart(*contents[:3]), kind=MULTIPART))
    end = done(await facts_of(bus, study))
    assert (end.completed, end.missing, end.unnamed) == (3, (), 2)
    assert end.failure is not None


async def test_the_request_ends_when_nobody_waits_any_more(
    bus: Bus,
    holding: Holding,
    study: Retrieve,
    series: str,
    contents: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retrieve, "INTEREST_SECONDS", 0.2)
    holding.does(series, writes_then_is_silent(in_part(*contents[:2]) + b"--frontier\r\n"))
    async with following(bus, study, interested=False) as facts:
        end = done([fact async for fact in facts])
        await holding.site.ended.wait()
    assert end.failure is not None
    assert isinstance(end.failure.error(), OriginCancelled)


async def test_one_instance_that_is_a_bad_request_costs_no_second_stream_of_its_series(
    bus: Bus, holding: Holding, study: Retrieve, series: str, contents: list[bytes], uids: list[str]
) -> None:
    holding.does(series, writes(in_part(*contents[:1]), ends=True), holding.whole(series))
    holding.does(f"{series}/instances/{uids[1]}", says("400 Bad Request"))
    end = done(await facts_of(bus, study))
    assert (end.completed, lacks(end)) == (4, [uids[1]])
    assert holding.retrieved.count(series) == 1


async def test_one_connection_is_enough(
    bus: Bus, serve: Serve, origin_name: str, holding: Holding, images: list[Path], contents: list[bytes]
) -> None:
    await serve(origin_name, holding.url, connections=1)
    one = identity(images[0])
    series = f"studies/{one.study_instance_uid}/series/{one.series_instance_uid}"
    holding.does(series, writes(in_part(*contents[:2]), ends=True))
    assert whole(done(await facts_of(bus, Retrieve(origin_name, one.study_instance_uid))))
