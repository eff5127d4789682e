"""Those who are compared, each in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel

from bench.data import Study
from bench.exchange import INSTANCES, Answer, Ask
from isthmus.cli.run_file import S3Part
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.search_attributes import DEFAULT_RETURN
from tests.peers import Peer

ROOT: Final = Path(__file__).parents[1]
TIMEOUT_SECONDS: Final = 240


class ContestantFailed(Exception):
    """One of those who are compared did not do what was asked; the text says who, and what came instead."""


def process(module: str, wanted: object) -> object:
    """Run a module of ours with JSON on its standard input, and give the JSON that it writes.

    Raises:
        ContestantFailed: it did not end well, or not in time.
    """
    try:
        ended = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", module],
            cwd=ROOT,
            input=json.dumps(wanted),
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise ContestantFailed(f"{module} took more than {TIMEOUT_SECONDS} s") from None
    if ended.returncode:
        last = ended.stderr.strip().rpartition("\n")[2]
        raise ContestantFailed(f"{module}: {last}")
    return json.loads(ended.stdout)


def load(*asks: Ask) -> Sequence[Sequence[Answer]]:
    """Let these clients of HTTP work at once; the answers of each."""
    answers = process("bench.load", [vars(ask) for ask in asks])
    if not isinstance(answers, list):
        raise ContestantFailed("bench.load gave no list")
    return [[Answer.from_json(answer) for answer in of_one] for of_one in answers]


def request(
    url: str,
    parts: int,
    *,
    accept: str = INSTANCES,
    headers: Mapping[str, str] = MappingProxyType({}),
    files: Sequence[Path] = (),
) -> Answer:
    """Let one client ask once, and see that it got all.

    Args:
        url: of the resource.
        parts: how many the body must have.
        accept: the media type.
        headers: further ones.
        files: what is stored, else it is a GET.

    Raises:
        ContestantFailed: it got something else.
    """
    ask = Ask(url=url, accept=accept, headers=dict(headers), files=[str(file) for file in files])
    ((answer,),) = load(ask)
    return whole(answer, parts)


def whole(answer: Answer, parts: int) -> Answer:
    """See that an answer has so many parts, and a proper end.

    Raises:
        ContestantFailed: it has not.
    """
    if answer.status != 200 or not answer.whole or answer.parts != parts:
        end = "a proper end" if answer.whole else "broken off"
        raise ContestantFailed(f"status {answer.status}, {answer.parts} of {parts} parts, {end}")
    return answer


@dataclass(frozen=True)
class BareGet:
    """What a bare C-GET took."""

    seconds: float
    first_byte: float
    """To the first instance."""
    last: str
    """SOP Instance UID of the instance that came last."""


def bare_get(pacs: Peer, study: Study, *, tuned: bool) -> BareGet:
    """Retrieve a study by pynetdicom alone, with our sockets or with its own.

    Raises:
        ContestantFailed: something lacks.
    """
    wanted = {
        **_peer(pacs),
        "study": study.uid,
        "sop_class": study.sop_class_uid,
        "tuned": tuned,
    }
    got = _Got.model_validate(process("bench.bare_get", wanted))
    if not got.success or got.instances != len(study.files):
        raise ContestantFailed(f"bare C-GET: {got.instances} of {len(study.files)} instances")
    return BareGet(got.seconds, got.first_byte, got.last)


class _Got(BaseModel):
    success: bool
    seconds: float
    first_byte: float
    instances: int
    last: str


def bare_find(
    pacs: Peer, level: Level, keys: Mapping[str, str], matches: int, *, repeat: int, tuned: bool
) -> Sequence[float]:
    """Search by pynetdicom alone, for the attributes that a search by us returns: the seconds of each.

    Raises:
        ContestantFailed: other matches came than those many.
    """
    wanted = {
        **_peer(pacs),
        "level": level.value,
        "keys": dict(keys),
        "returned": sorted({path[0] for path in DEFAULT_RETURN[level]}),
        "repeat": repeat,
        "tuned": tuned,
    }
    found = _Found.model_validate(process("bench.bare_find", wanted))
    if found.matches != matches:
        raise ContestantFailed(f"bare C-FIND: {found.matches} of {matches} matches")
    return found.seconds


class _Found(BaseModel):
    seconds: list[float]
    matches: int


def s3_read(s3: S3Part, keys: Sequence[str], size: int, *, threads: int) -> float:
    """Read these objects straight from S3: the seconds.

    Raises:
        ContestantFailed: they are smaller than that.
    """
    reach = s3.model_dump(include={"endpoint", "access_key", "secret_key", "bucket"})
    read = _Read.model_validate(process("bench.s3_read", {**reach, "keys": list(keys), "threads": threads}))
    if read.size < size:
        raise ContestantFailed(f"S3: {read.size} of {size} bytes")
    return read.seconds


class _Read(BaseModel):
    seconds: float
    size: int


def bare_pictures(files: Sequence[Path], size: int) -> float:
    """Show images by pydicom, numpy and Pillow alone: the seconds.

    Args:
        files: Of the images.
        size: Of the square that pictures fit into.
    """
    return _pixels(files, size)


def bare_decompress(files: Sequence[Path]) -> float:
    """Decompress instances by pydicom alone: the seconds."""
    return _pixels(files, None)


def _pixels(files: Sequence[Path], size: int | None) -> float:
    wanted = {"files": [str(file) for file in files], "size": size}
    return _Read.model_validate(process("bench.bare_pixels", wanted)).seconds


def bare_send(destination: Peer, study: Study, *, tuned: bool) -> float:
    """Send a study by pynetdicom alone, with TCP_NODELAY or all of our sockets: the seconds.

    Raises:
        ContestantFailed: some of it was not taken.
    """
    wanted = {
        **_peer(destination),
        "sop_class": study.sop_class_uid,
        "files": [str(file) for file in study.files],
        "tuned": tuned,
    }
    sent = _Sent.model_validate(process("bench.bare_send", wanted))
    if sent.stored != len(study.files):
        raise ContestantFailed(f"bare C-STORE: {sent.stored} of {len(study.files)} instances")
    return sent.seconds


class _Sent(BaseModel):
    seconds: float
    stored: int


def bare_web(url: str, accept: str, *, size: int = 0, items: int = 0) -> float:
    """Get a resource by httpx2 alone: the seconds.

    Args:
        url: of the resource.
        accept: the media type.
        size: the least bytes that it must have.
        items: how many a JSON array must have.

    Raises:
        ContestantFailed: it got something else.
    """
    got = _Web.model_validate(process("bench.bare_web", {"url": url, "accept": accept}))
    if got.status != 200 or got.size < size or got.items != items:
        raise ContestantFailed(f"httpx2: status {got.status}, {got.size} bytes, {got.items} items")
    return got.seconds


class _Web(BaseModel):
    status: int
    seconds: float
    size: int
    items: int


def _peer(pacs: Peer) -> Mapping[str, object]:
    return {"host": pacs.host, "port": pacs.port, "ae_title": pacs.ae_title}
