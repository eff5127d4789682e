"""`isthmus find`: search an origin for studies, series or instances."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import quote

from isthmus.cli.client import Gateway
from isthmus.cli.output import new_table, progress_console, values, write_error, write_json, write_shown
from isthmus.common.dicom.attributes import keyword_of, parse_path
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicomweb import service_path
from isthmus.common.errors import InvalidParameter


class FindLevel(StrEnum):
    """What is searched for."""

    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"


_COLUMNS: Final[Mapping[FindLevel, Sequence[str]]] = {
    FindLevel.STUDY: (
        "StudyDate",
        "PatientName",
        "PatientID",
        "ModalitiesInStudy",
        "NumberOfStudyRelatedInstances",
        "StudyInstanceUID",
    ),
    FindLevel.SERIES: (
        "Modality",
        "SeriesNumber",
        "SeriesDescription",
        "NumberOfSeriesRelatedInstances",
        "SeriesInstanceUID",
    ),
    FindLevel.INSTANCE: ("InstanceNumber", "SOPClassUID", "SOPInstanceUID"),
}
_RESOURCES: Final = {FindLevel.STUDY: "studies", FindLevel.SERIES: "series", FindLevel.INSTANCE: "instances"}


async def find(
    data: Path,
    origin: str,
    keys: Sequence[tuple[str, str]],
    *,
    level: FindLevel,
    limit: int | None,
    include: Sequence[str],
    as_json: bool,
) -> None:
    """Search (PS3.18 10.6) and show the matches."""
    path, parameters = _request(origin, keys, level)
    parameters += [("includefield", attribute) for attribute in include]
    if limit is not None:
        parameters.append(("limit", str(limit)))
    async with Gateway.of(data) as gateway:
        with progress_console.status(f"searching {origin}"):
            answer = await gateway.search(path, parameters)
    if answer.warning:
        write_error(f"warning: {answer.warning}")
    if as_json:
        write_json(answer.matches)
    else:
        _show(answer.matches, [*_COLUMNS[level], *_extra_columns(keys, include, level)])


def _request(
    origin: str, keys: Sequence[tuple[str, str]], level: FindLevel
) -> tuple[str, list[tuple[str, str]]]:
    """Choose the resource: below a study or series where its UID is given, else the relational one."""
    rest = list(keys)
    path = service_path(quote(origin, safe=""))
    if level is not FindLevel.STUDY and (study := _single_uid(rest, "StudyInstanceUID")):
        path += f"/studies/{quote(study, safe='')}"
        rest.remove(("StudyInstanceUID", study))
        if level is FindLevel.INSTANCE and (series := _single_uid(rest, "SeriesInstanceUID")):
            path += f"/series/{quote(series, safe='')}"
            rest.remove(("SeriesInstanceUID", series))
    return f"{path}/{_RESOURCES[level]}", rest


def _single_uid(keys: Sequence[tuple[str, str]], keyword: str) -> str | None:
    found = [value for key, value in keys if key == keyword]
    return found[0] if len(found) == 1 and found[0] and not set(found[0]) & set(",\\*?") else None


def _extra_columns(
    keys: Sequence[tuple[str, str]], include: Sequence[str], level: FindLevel
) -> Sequence[str]:
    """Show what was asked for too, where it is one attribute and not a way into a sequence."""
    names = [*(key for key, _ in keys), *(name for names in include for name in names.split(","))]
    extra = dict.fromkeys(keyword for name in names if (keyword := _keyword(name)))
    return [keyword for keyword in extra if keyword not in _COLUMNS[level]]


def _keyword(name: str) -> str | None:
    tag = _tag(name)
    return (keyword_of(tag) or tag) if tag is not None else None


def _tag(name: str) -> str | None:
    try:
        path = parse_path(name, name)
    except InvalidParameter:
        return None
    return path[0] if len(path) == 1 else None


def _show(matches: Sequence[DicomJson], columns: Sequence[str]) -> None:
    table = new_table(*columns)
    tags = [(column, _tag(column)) for column in columns]
    for match in matches:
        table.add_row(*("\\".join(values(match, tag)) if tag else "" for _, tag in tags))
    write_shown(table)
    progress_console.print(f"{len(matches)} found", highlight=False)
