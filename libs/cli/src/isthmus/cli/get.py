"""`isthmus get`: retrieve a study, series or instance into files."""

import os
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from rich.progress import DownloadColumn, Progress, SpinnerColumn, TaskID, TextColumn, TransferSpeedColumn

from isthmus.cli.client import Gateway, resource_path
from isthmus.cli.output import progress_console, write_error, write_json, write_line
from isthmus.common.dicom.part10 import read_file_meta
from isthmus.common.dicom.uids import check_uid
from isthmus.common.dicomweb import Part
from isthmus.common.errors import IsthmusError


@dataclass(frozen=True)
class Arrived:
    """An instance that is whole and in its file."""

    sop_instance_uid: str
    transfer_syntax_uid: str
    path: str
    bytes: int


async def get(
    data: Path,
    origin: str,
    study: str,
    series: str | None,
    instance: str | None,
    *,
    output: Path,
    as_json: bool,
) -> bool:
    """Retrieve (PS3.18 10.4) into `OUTPUT/{SOP Instance UID}.dcm`; whether all of it arrived."""
    path = resource_path(origin, study, series, instance)
    arrived: list[Arrived] = []
    failure: IsthmusError | None = None
    warning: str | None = None
    async with Gateway.of(data) as gateway:
        try:
            with _progress() as (progress, task):
                async with gateway.retrieve(path) as answer, aclosing(answer.parts):
                    warning = answer.warning
                    async for part in answer.parts:
                        arrived.append(await _keep(part, output, progress, task))
                        progress.update(task, description=f"{len(arrived)} instances")
        except IsthmusError as error:
            failure = error
    if as_json:
        instances = [asdict(each) for each in arrived]
        detail = failure.detail if failure is not None else None
        complete = failure is None
        write_json({"complete": complete, "detail": detail, "warning": warning, "instances": instances})
    elif arrived:
        write_line(f"{len(arrived)} instances, {sum(each.bytes for each in arrived)} bytes in {output}")
    if warning is not None:
        write_error(f"warning: {warning}")
    if failure is not None:
        which = f"incomplete: {len(arrived)} instances arrived, then: " if arrived else ""
        write_error(f"{which}{failure.detail}")
    return failure is None


async def _keep(part: Part, output: Path, progress: Progress, task: TaskID) -> Arrived:
    with _Unfinished(output) as file:
        async for chunk in part:
            file.write(chunk)
            progress.advance(task, len(chunk))
        return file.finish()


class _Unfinished:
    """An instance on its way into a hidden file; it gets its name when it is whole, or else is deleted."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._path = directory / f".isthmus-{os.getpid()}.part"
        self._file = self._path.open("w+b")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)

    def finish(self) -> Arrived:
        """Give the file the name that the instance has.

        Raises:
            MalformedDataset: this is no DICOM file.
            InvalidParameter: its SOP Instance UID cannot be the name of a file.
        """
        size = self._file.tell()
        self._file.seek(0)
        meta = read_file_meta(self._file)
        self._file.close()
        path = self._directory / f"{check_uid(meta.sop_instance_uid, 'SOPInstanceUID')}.dcm"
        self._path.replace(path)
        return Arrived(meta.sop_instance_uid, meta.transfer_syntax_uid, str(path), size)


@contextmanager
def _progress() -> Iterator[tuple[Progress, TaskID]]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn())
    with Progress(
        *columns, console=progress_console, transient=True, disable=not progress_console.is_terminal
    ) as progress:
        yield progress, progress.add_task("waiting", total=None)
