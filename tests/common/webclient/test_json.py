"""Searches and metadata: what is read, and what is not taken for an answer."""

import asyncio
import gzip
import json

import pytest

from isthmus.common.errors import (
    HttpOperationFailed,
    MalformedAnswer,
    OriginTimeout,
    OriginUnreachable,
    TruncatedAnswer,
)
from isthmus.common.webclient import WebClient
from tests.common.webclient.web_origin import (
    STUDY,
    Behaviour,
    Site,
    goes_on_for_ever,
    origin_at,
    says,
    writes,
    writes_then_is_silent,
)
from tests.waiting import PATIENCE

DEEP = "[" + '{"00081110": {"vr": "SQ", "Value": [' * 70 + "]}}" * 70 + "]"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n"


async def test_a_search_gets_its_matches_and_warnings(site: Site, client: WebClient) -> None:
    more = "Warning: 299 here: There are 3 additional results that can be requested"
    site.does(says("200 OK", json.dumps([STUDY, STUDY]), more, "Warning: 299 here: fuzzy"))
    answer = await client.get_json("studies", [("PatientName", "DOE^JÖRG*"), ("limit", "2")])
    assert answer.data_sets == [STUDY, STUDY]
    assert answer.warnings == (more.removeprefix("Warning: "), "299 here: fuzzy")
    (request,) = site.requests
    assert request.target == "/dicom-web/studies?PatientName=DOE%5EJ%C3%96RG*&limit=2"
    assert "application/dicom+json" in request.headers["accept"]


@pytest.mark.parametrize(
    ("behaviour", "found"),
    [
        (says("204 No Content"), []),
        (says("200 OK", "[]"), []),
        (says("200 OK", "", "Content-Type: application/dicom+json"), []),
        (says("200 OK", json.dumps(STUDY)), [STUDY]),
        (says("200 OK", json.dumps([STUDY]), kind="application/json; charset=utf-8"), [STUDY]),
        (says("200 OK", b"\xef\xbb\xbf" + json.dumps([STUDY]).encode()), [STUDY]),
        (says("200 OK", gzip.compress(json.dumps([STUDY]).encode()), "Content-Encoding: gzip"), [STUDY]),
        (says("200 OK", '[{"0020000d": {"Value": ["1.2"]}}]'), [STUDY]),
        (says("200 OK", '[{"00080061": {"vr": "CS"}}]'), [{"00080061": {"vr": "CS"}}]),
        (says("200 OK", '[{"0020000D": {"vr": "UI", "Value": "1.2"}}]'), [STUDY]),
        (says("200 OK", "", "Content-Type: text/html"), []),
        (
            says("200 OK", '[{"00081110": {"vr": "SQ", "Value": [null, {"00081150": {"vr": "UI"}}]}}]'),
            [{"00081110": {"vr": "SQ", "Value": [{}, {"00081150": {"vr": "UI"}}]}}],
        ),
        (writes(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"), []),
    ],
)
async def test_what_is_an_answer(
    site: Site, client: WebClient, behaviour: Behaviour, found: list[object]
) -> None:
    site.does(behaviour)
    assert (await client.get_json("studies")).data_sets == found


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (says("200 OK", "<html>DOE^JOHN</html>", kind="text/html"), "text/html"),
        (says("200 OK", "DOE^JOHN", kind="; ;"), "no media type"),
        (says("200 OK", '"DOE^JOHN"'), "no object"),
        (says("200 OK", '["DOE^JOHN"]'), "no object"),
        (says("200 OK", '[{"PatientName": {}}]'), "no tag"),
        (says("200 OK", '[{"00100010": "DOE^JOHN"}]'), "an element is no object"),
        (says("200 OK", '[{"00100010": {"vr": 7}}]'), "vr is no string"),
        (says("200 OK", '[{"00100010": {"vr": "PN", "Value": {"DOE": 1}}}]'), "Value no array"),
        (says("200 OK", '[{"00100010": {"vr": "LO", "Value": [["DOE"]]}}]'), "neither a text nor a number"),
        (says("200 OK", '[{"00081110": {"vr": "SQ", "Value": ["DOE"]}}]'), "a data set is no object"),
        (says("200 OK", '[{"00420011": {"vr": "OB", "InlineBinary": 7}}]'), "is no string"),
        (says("200 OK", DEEP), "too deep"),
        (says("200 OK", '[{"00100010": {"vr": "PN"'), "no JSON, or not all"),
        (says("200 OK", gzip.compress(b"[" * 999)[:-9], "Content-Encoding: gzip"), "no JSON, or not all"),
        (says("200 OK", b"no gzip", "Content-Encoding: gzip"), "decompressed"),
        (writes(HEAD + b"\r\n", ends=True), "no JSON"),
        (writes(b"220 smtp.example.org ESMTP\r\n\r\n", ends=True), "not HTTP"),
        (goes_on_for_ever(b"HTTP/1.1 200 OK\r\n", b"X-Padding: " + b"x" * 1000 + b"\r\n"), "not HTTP"),
    ],
)
async def test_what_is_no_answer(site: Site, client: WebClient, behaviour: Behaviour, words: str) -> None:
    site.does(behaviour, says("200 OK", json.dumps([STUDY])))
    with pytest.raises(MalformedAnswer, match=words) as caught:
        await client.get_json("studies")
    assert "DOE" not in caught.value.detail
    assert caught.value.origin == "cloud"
    assert (await client.get_json("studies")).data_sets == [STUDY]


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        ('"PatientName": {"vr": "PN", "Value": ["DOE^JOHN"]}', "no tag"),
        ('"00100010": "DOE^JOHN"', "an element is no object"),
        ('"00100010": {"vr": 7, "Value": ["DOE^JOHN"]}', "vr is no string"),
        ('"00100010": {"vr": "LO", "Value": ["DOE", ["JOHN"]]}', "neither a text nor a number"),
        ('"00081110": {"vr": "SQ", "Value": ["DOE^JOHN"]}', "a data set is no object"),
        ('"00081110": {"vr": "SQ", "Value": [{"DOE": {}}]}', "no tag"),
        ('"00420011": {"vr": "OB", "InlineBinary": 7}', "is no string"),
        (DEEP[2:-2], "too deep"),
    ],
)
async def test_one_element_that_is_wrong_costs_nothing_else(
    site: Site, client: WebClient, capsys: pytest.CaptureFixture[str], element: str, reason: str
) -> None:
    """It is left out, and said once for an answer, in words that name nobody."""
    of_study = json.dumps(STUDY)[1:-1]
    found = f"[{{{element}, {of_study}}}, {{{of_study}, {element}}}, {{{of_study}}}]"
    site.does(says("200 OK", found))
    answer = await client.get_json("studies")
    assert answer.data_sets == [STUDY, STUDY, STUDY]
    logged = "".join(capsys.readouterr())
    assert logged.count("elements left out") == 1
    assert reason in logged
    assert "DOE" not in logged
    assert "JOHN" not in logged


async def test_of_an_item_too_only_what_is_wrong_is_left_out(site: Site, client: WebClient) -> None:
    item = '{"00081150": {"vr": "UI", "Value": ["1"]}, "00081155": ["2"]}'
    site.does(says("200 OK", f'[{{"00081110": {{"vr": "SQ", "Value": [{item}]}}}}]'))
    (found,) = (await client.get_json("studies")).data_sets
    assert found["00081110"]["Value"] == [{"00081150": {"vr": "UI", "Value": ["1"]}}]


@pytest.mark.parametrize("match", ["null", '"DOE"', "[]", '{"message": "DOE"}', '{"00100010": "DOE"}'])
async def test_a_match_of_which_nothing_is_right_is_not_left_out_of_a_list(
    site: Site, client: WebClient, match: str
) -> None:
    site.does(says("200 OK", f"[{json.dumps(STUDY)}, {match}]"))
    with pytest.raises(MalformedAnswer) as caught:
        await client.get_json("studies")
    assert "DOE" not in caught.value.detail


@pytest.mark.parametrize(
    "behaviour",
    [
        writes(HEAD + b"Content-Length: 100\r\n\r\n[{", ends=True),
        writes(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n", ends=True),
    ],
)
async def test_an_answer_that_is_cut_off(site: Site, client: WebClient, behaviour: Behaviour) -> None:
    site.does(behaviour, says("200 OK", "[]"))
    with pytest.raises(TruncatedAnswer):
        await client.get_json("studies")
    assert (await client.get_json("studies")).data_sets == []


async def test_a_bomb_is_not_unpacked(site: Site, client: WebClient) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    site.does(says("200 OK", bomb, "Content-Encoding: gzip"))
    with pytest.raises(MalformedAnswer, match="larger than 1000000 bytes"):
        await client.get_json("studies", most_bytes=1_000_000)


async def test_an_endless_answer_is_left(site: Site, client: WebClient) -> None:
    site.does(
        goes_on_for_ever(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"400\r\n" + b" " * 1024 + b"\r\n")
    )
    with pytest.raises(MalformedAnswer, match="larger than"):
        await client.get_json("studies", most_bytes=1_000_000)
    await site.ended.wait()


@pytest.mark.parametrize(("status", "is_part"), [("200 OK", False), ("206 Partial Content", True)])
async def test_whether_it_is_a_part_is_told(
    site: Site, client: WebClient, status: str, *, is_part: bool
) -> None:
    site.does(says(status, json.dumps([STUDY])))
    answer = await client.get_json("studies")
    assert (answer.data_sets, answer.is_part) == ([STUDY], is_part)


async def test_a_server_that_takes_one_media_type_is_told_one(site: Site, client: WebClient) -> None:
    site.does(says("406 Not Acceptable"), says("200 OK", json.dumps([STUDY])))
    for _ in range(2):
        assert (await client.get_json("studies")).data_sets == [STUDY]
    both, *others = (request.headers["accept"] for request in site.requests)
    assert both == "application/dicom+json, application/json;q=0.9"
    assert others == ["application/dicom+json"] * 2


async def test_a_server_that_takes_neither_has_refused(site: Site, client: WebClient) -> None:
    site.does(says("406 Not Acceptable"))
    with pytest.raises(HttpOperationFailed, match="406"):
        await client.get_json("studies")
    assert len(site.requests) == 2


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410, 413, 418, 500, 501, 502, 504])
async def test_other_statuses_are_failures(site: Site, client: WebClient, status: int) -> None:
    site.does(says(f"{status} Whatever", '{"message": "DOE^JOHN"}'), says("200 OK", "[]"))
    if status == 301:
        site.does(says("300 Several"), says("200 OK", "[]"))
        status = 300
    with pytest.raises(HttpOperationFailed, match=str(status)) as caught:
        await client.get_json("studies")
    assert caught.value.http_status == status
    assert "DOE" not in caught.value.detail
    await client.get_json("studies")
    assert site.connections == 1, "the connection is used again"


async def test_silence_ends(site: Site) -> None:
    async with WebClient(origin_at(site.url, timeout_seconds=1.5)) as client:
        for data, words in (
            (b"", "No answer in time"),
            (b"HTTP/1.1 200", "No answer in time"),
            (HEAD + b"Content-Length: 9\r\n\r\n[", "fell silent"),
        ):
            site.does(writes_then_is_silent(data))
            with pytest.raises(OriginTimeout, match=words):
                await client.get_json("studies")
        site.does(says("200 OK", "[]"))
        assert (await client.get_json("studies")).data_sets == []


async def test_nobody_is_there(site: Site) -> None:
    async with WebClient(origin_at("http://127.0.0.1:9/dicom-web")) as client:
        with pytest.raises(OriginUnreachable, match="No connection"):
            await client.get_json("studies")


async def test_a_host_of_no_name() -> None:
    async with WebClient(origin_at("http://no-such-host.invalid/dicom-web")) as client:
        with pytest.raises(OriginUnreachable, match="A host of this name is not known"):
            await client.get_json("studies")


async def test_a_search_is_asked_again_where_the_connection_ended_before_an_answer(
    site: Site, client: WebClient
) -> None:
    site.does(writes(b"", ends=True), says("200 OK", "[]"))
    assert (await client.get_json("studies")).data_sets == []
    assert len(site.requests) == 2


async def test_it_is_asked_again_once(site: Site, client: WebClient) -> None:
    site.does(writes(b"", ends=True))
    with pytest.raises(OriginUnreachable, match="broke off") as caught:
        await client.get_json("studies")
    assert type(caught.value) is OriginUnreachable
    assert len(site.requests) == 2


async def test_no_more_requests_at_one_time_than_the_settings_allow(site: Site) -> None:
    going = asyncio.Event()
    running, most = 0, 0

    async def slow(request: object, writer: asyncio.StreamWriter) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 2:
            going.set()
        await going.wait()
        running -= 1
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    site.does(slow)
    async with WebClient(origin_at(site.url, connections=2)) as client, asyncio.TaskGroup() as group:
        for _ in range(9):
            group.create_task(client.get_json("studies"))
    assert most == 2
    assert site.connections == 2


async def test_who_is_cancelled_leaves_the_connection_to_nobody(site: Site, client: WebClient) -> None:
    site.does(writes_then_is_silent(), says("200 OK", "[]"))
    task = asyncio.create_task(client.get_json("studies"))
    await site.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(PATIENCE):
        await site.ended.wait()
    assert (await client.get_json("studies")).data_sets == []
