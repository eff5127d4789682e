"""`isthmus store`: store files in an origin."""

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pydantic import RootModel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TransferSpeedColumn

from isthmus.cli.client import Gateway
from isthmus.cli.output import progress_console, write_error, write_json, write_line
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.part10 import FileMeta, MalformedDataset, identify, read_file_meta
from isthmus.common.dicom.statuses import meaning
from isthmus.common.dicomweb import MultipartWriter
from isthmus.common.errors import IsthmusError

_DICOM: Final = "application/dicom"
_MEDIA_STORAGE_DIRECTORY: Final = "1.2.840.10008.1.3.10"
"""A DICOMDIR (PS3.10 8): an index of files, no instance of a study."""
_BATCH_INSTANCES: Final = 100
_BATCH_BYTES: Final = 256 * 1024 * 1024
_CHUNK_BYTES: Final = 256 * 1024

_REFERENCED_SOP_SEQUENCE: Final = "00081199"
_FAILED_SOP_SEQUENCE: Final = "00081198"
_REFERENCED_SOP_INSTANCE_UID: Final = "00081155"
_FAILURE_REASON: Final = "00081197"
_WARNING_REASON: Final = "00081196"


@dataclass(frozen=True)
class Candidate:
    """A file to store."""

    path: Path
    sop_instance_uid: str
    size: int


@dataclass(frozen=True)
class Result:
    """What became of a file."""

    path: str
    sop_instance_uid: str | None
    stored: bool
    status: str | None
    """The DIMSE status (PS3.4 B.2.3) in hexadecimal, where there is one."""
    reason: str | None


async def store(data: Path, origin: str, paths: Sequence[Path], *, as_json: bool) -> bool:
    """Store files and folders of files (PS3.18 10.5); whether the origin has all of them."""
    candidates, results = _collect(paths)
    columns = (TextColumn("storing"), BarColumn(), MofNCompleteColumn(), TransferSpeedColumn())
    async with Gateway.of(data) as gateway:
        with Progress(
            *columns, console=progress_console, transient=True, disable=not progress_console.is_terminal
        ) as progress:
            task = progress.add_task("", total=len(candidates))
            for batch in _batches(candidates):
                results += await _store(gateway, origin, batch)
                progress.advance(task, len(batch))
    failed = [result for result in results if not result.stored]
    if as_json:
        write_json([asdict(result) for result in results])
    else:
        for result in results:
            if result.reason is not None:
                write_error(f"{result.path}: {result.reason}")
        write_line(f"{len(results) - len(failed)} stored, {len(failed)} not stored")
    return not failed and bool(results)


def _collect(paths: Iterable[Path]) -> tuple[list[Candidate], list[Result]]:
    """Find the instances among the files: what was named and is none has failed, in folders not."""
    candidates: list[Candidate] = []
    failed: list[Result] = []
    for path in paths:
        try:
            if path.is_dir():
                candidates += _instances_in(path)
            else:
                candidates.append(_candidate(path))
        except MalformedDataset as error:
            failed.append(_not_stored(path, error.detail))
        except OSError as error:
            failed.append(_not_stored(path, error.strerror or "cannot be read"))
    return candidates, failed


def _instances_in(folder: Path) -> Iterator[Candidate]:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            yield _candidate(path)
        except MalformedDataset as error:
            write_error(f"{path}: passed over: {error.detail}")


def _candidate(path: Path) -> Candidate:
    with path.open("rb") as file:
        meta = read_file_meta(file)
        file.seek(meta.dataset_offset)
        beginning = file.read(_CHUNK_BYTES)
    if meta.sop_class_uid == _MEDIA_STORAGE_DIRECTORY:
        raise MalformedDataset("This is a DICOMDIR, which is stored nowhere")
    return Candidate(path, _sop_instance_uid(meta, beginning), path.stat().st_size)


def _sop_instance_uid(meta: FileMeta, beginning: bytes) -> str:
    """Give the one of the data set, by which the answer will name it; the file meta may have another."""
    try:
        return identify(beginning, meta.transfer_syntax_uid).sop_instance_uid
    except MalformedDataset:
        return meta.sop_instance_uid


def _batches(candidates: Sequence[Candidate]) -> Iterator[Sequence[Candidate]]:
    """Bound what one request holds, and so what is unknown when it breaks off; no UID is twice in it."""
    batch: list[Candidate] = []
    for candidate in candidates:
        full = len(batch) == _BATCH_INSTANCES
        large = sum(each.size for each in batch) + candidate.size > _BATCH_BYTES
        again = candidate.sop_instance_uid in {each.sop_instance_uid for each in batch}
        if batch and (full or large or again):
            yield batch
            batch = []
        batch.append(candidate)
    if batch:
        yield batch


async def _store(gateway: Gateway, origin: str, batch: Sequence[Candidate]) -> Sequence[Result]:
    writer = MultipartWriter(_DICOM)
    try:
        module = await gateway.store(origin, writer.content_type, _body(writer, batch))
    except IsthmusError as error:
        return [_not_stored(each.path, error.detail, uid=each.sop_instance_uid) for each in batch]
    stored = _statuses(module, _REFERENCED_SOP_SEQUENCE, _WARNING_REASON)
    failed = _statuses(module, _FAILED_SOP_SEQUENCE, _FAILURE_REASON)
    return [_result(candidate, stored, failed) for candidate in batch]


async def _body(writer: MultipartWriter, batch: Sequence[Candidate]) -> AsyncGenerator[bytes, None]:
    for candidate in batch:
        yield writer.part(_DICOM)
        for chunk in _chunks(candidate.path):
            yield chunk
    yield writer.close()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _result(candidate: Candidate, stored: Mapping[str, int], failed: Mapping[str, int]) -> Result:
    uid, path = candidate.sop_instance_uid, candidate.path
    if uid in failed:
        status = failed[uid]
        return _not_stored(path, f"{meaning(status)} ({status:04X})", uid=uid, status=f"{status:04X}")
    if uid not in stored:
        return _not_stored(path, "the gateway could not read it", uid=uid)
    status = stored[uid]
    warning = f"stored, with a warning: {meaning(status)} ({status:04X})" if status else None
    return Result(str(path), uid, stored=True, status=f"{status:04X}", reason=warning)


def _not_stored(path: Path, reason: str, *, uid: str | None = None, status: str | None = None) -> Result:
    return Result(str(path), uid, stored=False, status=status, reason=reason)


def _statuses(module: DicomJson, sequence: str, reason: str) -> Mapping[str, int]:
    """Read a sequence of the response module (PS3.18 Table I.1-1): each instance's reason, 0 for none."""
    items = (_Item.model_validate(item) for item in module.get(sequence, {"vr": "SQ"}).get("Value", []))
    return {item.uid: item.reason(reason) for item in items}


class _Item(RootModel[Mapping[str, Mapping[str, object]]]):
    """An item of a sequence in DICOM JSON."""

    @property
    def uid(self) -> str:
        return str(self._value(_REFERENCED_SOP_INSTANCE_UID))

    def reason(self, tag: str) -> int:
        value = self._value(tag)
        return value if isinstance(value, int) else 0

    def _value(self, tag: str) -> object:
        values = self.root.get(tag, {}).get("Value")
        return values[0] if isinstance(values, list) and values else None
