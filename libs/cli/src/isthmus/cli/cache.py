"""`isthmus cache`: what is held of the origins in S3, and out with it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from rich.filesize import decimal

from isthmus.cli.connected import Connected, connected
from isthmus.cli.output import (
    new_table,
    progress_console,
    write_error,
    write_json,
    write_line,
    write_shown,
    written_time,
)
from isthmus.common.messages import MissingInstance, Retrieve
from isthmus.common.retrieval import Catalogue, LastReads
from isthmus.common.retrieval.sweep import evict
from isthmus.common.retrieval.usage import StudyUsage, usage


@dataclass(frozen=True)
class _OfOrigin:
    """What is held of an origin."""

    origin: str
    studies: int
    instances: int
    bytes: int
    oldest_read: str | None
    newest_read: str | None


@dataclass(frozen=True)
class _OfStudy:
    """What is held of a study."""

    origin: str
    study: str
    instances: int
    bytes: int
    whole: bool
    """Whether all is here that the origin listed."""
    leftover: bool
    """Whether it is what a job that was given up has left, which nobody can read."""
    last_read: str | None
    missing: Sequence[MissingInstance]
    """What the origin listed and could not deliver."""


async def _held(system: Connected, origin: str | None = None, study: str | None = None) -> list[StudyUsage]:
    """Give what is held, an origin's studies together, the one used last at the end."""
    with progress_console.status("looking at what is held"):
        found = await usage(system.blobs, LastReads(system.bus), origin, study)
    return sorted(found, key=lambda one: (one.origin, one.used))


async def show(data: Path, *, studies: bool, as_json: bool) -> None:
    """Show how much is held of each origin, and of each study."""
    async with connected(data, "isthmus cache") as system:
        found = await _held(system)
        origins = [
            _of_origin(origin, list(its)) for origin, its in groupby(found, key=lambda one: one.origin)
        ]
        catalogue = Catalogue(system.blobs)
        each = [await _of_study(catalogue, one) for one in found] if studies else None
    total = sum(one.size for one in found)
    max_bytes = system.run.cache.max_bytes
    if as_json:
        write_json(_as_json(max_bytes, total, found, origins, each))
        return
    if origins:
        _print_origins(origins)
    if each:
        write_line("")
        _print_studies(each)
    write_line(f"{decimal(total)} held, at most {decimal(max_bytes)}")


async def clear(data: Path, origin: str | None, study: str | None, *, as_json: bool) -> bool:
    """Delete what is held of all origins, an origin or a study; whether nothing was in the way."""
    freed = 0
    skipped: list[StudyUsage] = []
    async with connected(data, "isthmus cache") as system:
        found = await _held(system, origin, study)
        catalogue = Catalogue(system.blobs)
        with progress_console.status("") as status:
            for number, one in enumerate(found, start=1):
                status.update(f"clearing {number} of {len(found)}")
                evicted = await evict(system.bus, catalogue, one)
                if evicted is None:
                    skipped.append(one)
                else:
                    freed += evicted
    cleared = len(found) - len(skipped)
    if as_json:
        names = [{"origin": one.origin, "study": one.study} for one in skipped]
        write_json({"studies": cleared, "bytes": freed, "skipped": names})
    else:
        for one in skipped:
            write_error(f"{one.origin} {one.study}: not cleared, because a job is at work on it")
        write_line(f"{cleared} studies cleared, {decimal(freed)} freed")
    return not skipped


def _of_origin(origin: str, studies: Sequence[StudyUsage]) -> _OfOrigin:
    reads = [one.last_read for one in studies if one.last_read is not None]
    return _OfOrigin(
        origin,
        len(studies),
        sum(one.instances for one in studies),
        sum(one.size for one in studies),
        written_time(min(reads, default=None)),
        written_time(max(reads, default=None)),
    )


async def _of_study(catalogue: Catalogue, one: StudyUsage) -> _OfStudy:
    manifest = await catalogue.load(one.origin, one.study) if one.has_manifest else None
    all_of_it = Retrieve(one.origin, one.study)
    missing = [] if manifest is None else manifest.missing(all_of_it)
    return _OfStudy(
        one.origin,
        one.study,
        one.instances,
        one.size,
        whole=manifest is not None and manifest.covers(all_of_it, since=0) and not missing,
        leftover=one.is_leftover,
        last_read=written_time(one.last_read),
        missing=missing,
    )


def _as_json(
    max_bytes: int,
    total: int,
    found: Sequence[StudyUsage],
    origins: Iterable[_OfOrigin],
    studies: Iterable[_OfStudy] | None,
) -> Mapping[str, object]:
    answer: dict[str, object] = {
        "max_bytes": max_bytes,
        "bytes": total,
        "studies": len(found),
        "instances": sum(one.instances for one in found),
        "origins": [asdict(one) for one in origins],
    }
    if studies is not None:
        answer["held"] = [_study_as_json(one) for one in studies]
    return answer


def _study_as_json(one: _OfStudy) -> Mapping[str, object]:
    missing = [
        {"series": lacks.series_instance_uid, "instance": lacks.sop_instance_uid} for lacks in one.missing
    ]
    return {**asdict(one), "missing": missing}


def _print_origins(origins: Iterable[_OfOrigin]) -> None:
    table = new_table("Origin", "Studies", "Instances", "Size", "OldestRead", "NewestRead")
    for one in origins:
        reads = (one.oldest_read or "-", one.newest_read or "-")
        table.add_row(one.origin, str(one.studies), str(one.instances), decimal(one.bytes), *reads)
    write_shown(table)


def _held_as(one: _OfStudy) -> str:
    if one.leftover:
        return "leftover"
    if one.whole:
        return "whole"
    return "part" if one.instances else "derived"  # of an inbox or a bucket, where its instances are


def _print_studies(studies: Iterable[_OfStudy]) -> None:
    table = new_table("Origin", "StudyInstanceUID", "Instances", "Size", "Held", "LastRead", "Missing")
    for one in studies:
        missing = "\n".join(lacks.sop_instance_uid for lacks in one.missing) or "-"
        size = decimal(one.bytes)
        held = _held_as(one)
        table.add_row(one.origin, one.study, str(one.instances), size, held, one.last_read or "-", missing)
    write_shown(table)
