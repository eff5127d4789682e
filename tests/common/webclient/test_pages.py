"""Searches page by page, at servers that count in their own ways."""

import asyncio
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from isthmus.common.errors import HttpOperationFailed, MalformedAnswer
from isthmus.common.webclient import WebClient, pages
from tests.common.webclient.web_origin import Request, Site, says


class Archive:
    """A server of so many studies.

    Args:
        held: how many there are.
        cap: how many it gives at most.
        tells: whether it says that there are more (PS3.18 8.3.4.4.1).
        ignores: the parameters that it does not know.
        refuses_above: the largest limit that it takes.
        refusal: what it answers to a larger one.
        empty: what it answers to a search that finds nothing.
        found: what it answers to one that finds something.
    """

    def __init__(
        self,
        held: int,
        *,
        cap: int = 100_000,
        tells: bool = False,
        ignores: tuple[str, ...] = (),
        refuses_above: int = 100_000,
        refusal: str = "400 Bad Request",
        empty: str = "204 No Content",
        found: str = "200 OK",
    ) -> None:
        self._held = [{"0020000D": {"vr": "UI", "Value": [f"1.{number}"]}} for number in range(held)]
        self._cap, self._tells, self._ignores = cap, tells, ignores
        self._refuses_above, self._empty, self._found = refuses_above, empty, found
        self._refusal = refusal
        self.asked: list[tuple[int, int]] = []

    async def search(self, request: Request, writer: asyncio.StreamWriter) -> None:
        given = parse_qs(urlsplit(request.target).query)
        assert given["PatientID"] == ["1"]
        limit, offset = int(given["limit"][0]), int(given["offset"][0])
        self.asked.append((limit, offset))
        if limit > self._refuses_above:
            await says(self._refusal)(request, writer)
            return
        limit = self._cap if "limit" in self._ignores else min(limit, self._cap)
        offset = 0 if "offset" in self._ignores else offset
        found = self._held[offset : offset + limit]
        left = len(self._held) - offset - len(found)
        more = f"Warning: 299 x: There are {left} additional results that can be requested"
        headers = [more, "Warning: 299 x: fuzzy"] if self._tells and left > 0 else []
        if found:
            await says(self._found, json.dumps(found), *headers)(request, writer)
        else:
            await says(self._empty, "" if self._empty.startswith("204") else "[]")(request, writer)


async def found(
    site: Site, client: WebClient, archive: Archive, *, most: int | None = None, page: int = 100
) -> list[int]:
    site.does(archive.search)
    matches: list[str] = []
    async for one in pages(client, "studies", [("PatientID", "1")], most=most, page=page):
        assert one.data_sets, "no page is empty"
        assert not any("additional results" in warning for warning in one.warnings)
        matches += [str(each["0020000D"]["Value"][0]) for each in one.data_sets]
    assert len(set(matches)) == len(matches)
    return [int(match.removeprefix("1.")) for match in matches]


@pytest.mark.parametrize(
    ("archive", "requests"),
    [
        (Archive(0), 1),
        (Archive(0, empty="200 OK"), 1),
        (Archive(7), 1),
        (Archive(250), 3),
        (Archive(200), 3),
        (Archive(200, empty="200 OK"), 3),
        (Archive(250, cap=60), 5),
        (Archive(240, cap=60, tells=True), 5),
        (Archive(23, cap=5, tells=True), 5),
        (Archive(23, cap=5, found="206 Partial Content"), 6),
        (Archive(7, found="206 Partial Content", empty="404 Not Found"), 2),
        (Archive(250, ignores=("limit",)), 1),
        (Archive(250, ignores=("limit", "offset")), 1),
        (Archive(80, ignores=("offset",)), 2),
    ],
)
async def test_all_are_found_each_once(
    site: Site, client: WebClient, archive: Archive, requests: int
) -> None:
    assert await found(site, client, archive) == list(range(len(archive._held)))
    assert len(archive.asked) <= requests


@pytest.mark.parametrize(
    ("most", "asked"), [(1, [(1, 0)]), (100, [(100, 0)]), (130, [(100, 0), (30, 100)]), (0, [])]
)
async def test_no_more_than_enough(
    site: Site, client: WebClient, most: int, asked: list[tuple[int, int]]
) -> None:
    archive = Archive(250)
    assert await found(site, client, archive, most=most) == list(range(most))
    assert archive.asked == asked


async def test_no_more_than_enough_of_a_server_that_gives_all(site: Site, client: WebClient) -> None:
    assert await found(site, client, Archive(250, ignores=("limit",)), most=30) == list(range(30))


@pytest.mark.parametrize(
    "archive",
    [
        Archive(250, ignores=("offset",)),
        Archive(250, cap=70, tells=True, ignores=("offset",)),
        Archive(100, ignores=("offset",)),
        Archive(9, found="206 Partial Content", ignores=("offset",)),
    ],
)
async def test_what_cannot_be_had_to_its_end_is_a_failure(
    site: Site, client: WebClient, archive: Archive
) -> None:
    """A full page that comes again may not be all: no list that is short without a word."""
    with pytest.raises(MalformedAnswer, match="same matches again"):
        await found(site, client, archive)
    assert len(archive.asked) == 2


@pytest.mark.parametrize("refusal", ["400 Bad Request", "413 Content Too Large"])
async def test_a_server_that_takes_no_large_limit(site: Site, client: WebClient, refusal: str) -> None:
    archive = Archive(450, refuses_above=200, refusal=refusal)
    assert await found(site, client, archive, page=1000) == list(range(450))
    assert archive.asked[:2] == [(1000, 0), (100, 0)]


async def test_a_limit_that_is_too_large_is_tried_once(site: Site, client: WebClient) -> None:
    archive = Archive(150, refuses_above=200)
    for _ in range(2):
        assert await found(site, client, archive, page=1000) == list(range(150))
    assert [limit for limit, _ in archive.asked].count(1000) == 1


async def test_a_search_that_is_refused_with_any_limit(site: Site, client: WebClient) -> None:
    archive = Archive(9, refuses_above=0)
    with pytest.raises(HttpOperationFailed, match="400"):
        await found(site, client, archive, page=1000)
    assert archive.asked == [(1000, 0), (100, 0)]
