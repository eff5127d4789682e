"""A DICOMweb server that lists and sends what it holds, but for what a test tells it to do otherwise."""

import json
from asyncio import StreamWriter
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.common.webclient.web_origin import MULTIPART, Behaviour, Request, Site, multipart, says
from tests.data_sets import Identity, identity

CT = "1.2.840.10008.5.1.4.1.1.2"
PREFIX = "/dicom-web/"

Match = dict[str, dict[str, object]]


class Holding:
    """Holds files; `does` says how it answers for a path instead, once or for ever."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.site = Site()
        self.site.does(self._answer)
        self.files = {identity(file): file.read_bytes() for file in files}
        self._instead: dict[str, deque[Behaviour]] = defaultdict(deque)

    @classmethod
    @asynccontextmanager
    async def of(cls, files: Iterable[Path]) -> AsyncIterator["Holding"]:
        """Listen until left."""
        holding = cls(files)
        async with holding.site.listening():
            yield holding

    @property
    def url(self) -> str:
        return self.site.url

    def does(self, path: str, *behaviours: Behaviour) -> None:
        """Answer requests for a path so, one after the other, and the last one for ever."""
        self._instead[path] = deque(behaviours)

    def behaves(self, path: str) -> None:
        """Answer as it should again."""
        del self._instead[path]

    @property
    def asked(self) -> list[str]:
        """The paths that were asked for, without their parameters."""
        return [request.target.removeprefix(PREFIX).partition("?")[0] for request in self.site.requests]

    @property
    def retrieved(self) -> list[str]:
        """Those of retrieves."""
        searches = ("/series", "/instances")
        return [path for path in self.asked if not path.endswith(searches)]

    def within(self, path: str) -> dict[Identity, bytes]:
        """Give what is below a path."""
        wanted = path.split("/")[1::2]
        return {one: data for one, data in self.files.items() if list(one[1 : 1 + len(wanted)]) == wanted}

    async def _answer(self, request: Request, writer: StreamWriter) -> None:
        path = request.target.removeprefix(PREFIX).partition("?")[0]
        instead = self._instead.get(path)
        if instead:
            behaviour = instead.popleft() if len(instead) > 1 else instead[0]
        elif path.endswith(("/series", "/instances")):
            behaviour = says("200 OK", json.dumps(self.listed(path)))
        else:
            behaviour = self.whole(path)
        await behaviour(request, writer)

    def whole(self, path: str) -> Behaviour:
        """Send all that is below a path."""
        found = self.within(path).values()
        return says("200 OK", multipart(*found), kind=MULTIPART) if found else says("404 Not Found")

    def listed(self, path: str) -> list[Match]:
        """Give the matches of a search."""
        found: dict[tuple[str, ...], Match] = {}
        there = self.within(path)
        for one in there:
            match = {**_uid("0020000D", one.study_instance_uid), **_uid("0020000E", one.series_instance_uid)}
            if path.endswith("/series"):
                of_series = [1 for other in there if other.series_instance_uid == one.series_instance_uid]
                match["00080060"] = {"vr": "CS", "Value": ["CT"]}
                match["00201209"] = {"vr": "IS", "Value": [len(of_series)]}
                found[one[1:3]] = match
            else:
                found[one[1:]] = match | _uid("00080016", CT) | _uid("00080018", one.sop_instance_uid)
        return list(found.values())


def _uid(tag: str, uid: str) -> Match:
    return {tag: {"vr": "UI", "Value": [uid]}}
