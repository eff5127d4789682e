"""DCMTK's and pynetdicom's programs do against Isthmus what they do against Orthanc's own DIMSE port.

Orthanc is behind both: here by its DIMSE port, there by its DICOMweb plugin only, with Isthmus before it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from pydicom.uid import UID

from tests.data_sets import transfer_syntax
from tests.inverse.cases import CASES, KEY, STUDY, SYNTAXES, Case
from tests.inverse.programs import Programs, Toolkit, keys
from tests.inverse.results import Result, answers, differences, instances
from tests.inverse.sides import Side, Sides

RIGHT: Final = {
    r"RetrieveAETitle of ": "each names itself",
    r"SpecificCharacterSet of ": "each writes in one that can say it; the texts are compared decoded",
}
"""What differs rightly in every answer, and why."""


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_client_gets_what_orthancs_own_port_gives(case: Case, sides: Sides) -> None:
    expected, got = RUNS[case.program](case, sides)
    lines = list(differences(expected, got))
    known = [*RIGHT, *case.right]
    wrong = [line for line in lines if not any(re.match(pattern, line) for pattern in known)]
    gone = [pattern for pattern in case.right if not any(re.match(pattern, line) for line in lines)]
    assert not wrong, "\n".join(wrong)
    assert not gone, f"no longer so: {gone}"


def _echoes(case: Case, sides: Sides) -> Sequence[Result]:
    return _both(partial(_echo, case, sides.programs), sides)


def _finds(case: Case, sides: Sides) -> Sequence[Result]:
    return _both(partial(_find, case, sides.programs, _filled(case, sides)), sides)


def _retrieves(case: Case, sides: Sides) -> Sequence[Result]:
    return _both(partial(_retrieve, case, sides.programs, _filled(case, sides)), sides)


def _stores(case: Case, sides: Sides) -> Sequence[Result]:
    """One after the other: both store in the same archive."""
    files = [file for file in sides.held if _syntax(file) == case.name]
    if case.toolkit is Toolkit.PYNETDICOM:  # it waits 40 ms for each answer
        files = list({transfer_syntax(file): file for file in sides.held}.values())
    assert files
    return [_store(case, files, side, sides) for side in (sides.direct, sides.bridged)]


RUNS: Final[Mapping[str, Callable[[Case, Sides], Sequence[Result]]]] = {
    "echoscu": _echoes,
    "findscu": _finds,
    "movescu": _retrieves,
    "getscu": _retrieves,
    "storescu": _stores,
}


def _both(client: Callable[[Side], Result], sides: Sides) -> Sequence[Result]:
    with ThreadPoolExecutor(2) as executor:
        return list(executor.map(client, (sides.direct, sides.bridged)))


def _echo(case: Case, programs: Programs, side: Side) -> Result:
    ended = programs.run(case.toolkit, case.program, side.archive)
    return Result(ended.code, ended.status("C-ECHO"))


def _find(case: Case, programs: Programs, wanted: Mapping[str, str], side: Side) -> Result:
    options = [case.model.value, *case.options, *keys(wanted)]
    ended = programs.run(case.toolkit, case.program, side.archive, options)
    return Result(ended.code, ended.status("C-FIND"), answers=answers(ended, KEY.get(case.level, "")))


def _retrieve(case: Case, programs: Programs, wanted: Mapping[str, str], side: Side) -> Result:
    options = [case.model.value, *keys(wanted)]
    side.destination.clear()
    if case.program == "movescu":
        options += ["-aem", case.destination or side.destination.peer.ae_title]
    ended = programs.run(case.toolkit, case.program, side.archive, options)
    command = {"movescu": "C-MOVE", "getscu": "C-GET"}[case.program]
    arrived = [file.read_bytes() for file in side.destination.files()]
    return Result(
        ended.code,
        ended.status(command),
        counters=ended.counters(command),
        announced=ended.announced(command),
        instances=instances(arrived or ended.files),
    )


def _store(case: Case, files: Sequence[Path], side: Side, sides: Sides) -> Result:
    sides.keeper.delete_all()
    ended = sides.programs.run(case.toolkit, case.program, side.empty, case.options, files)
    statuses = {response.sop_instance_uid: response.status for response in ended.of("C-STORE")}
    held = [sides.keeper.file(identifier) for identifier in sides.keeper.held()]
    # Which is the last is up to the order in which the folder is read.
    return Result(ended.code, None, statuses, instances=instances(held))


def _syntax(file: Path) -> str:
    """How the cases call its transfer syntax."""
    name = UID(transfer_syntax(file)).name
    return max((known for known in SYNTAXES if name.startswith(known)), key=len, default="uncompressed")


def _filled(case: Case, sides: Sides) -> Mapping[str, str]:
    """Put the UIDs into the keys of a case."""
    study = [instance for instance in sides.identities if instance.study_instance_uid == STUDY]
    series = sorted({instance.series_instance_uid for instance in study})
    images = [image.sop_instance_uid for image in study if image.series_instance_uid == series[0]]
    uids = {
        "series": series[0],
        "all_series": "\\".join(series),
        "image": images[0],
        "images": "\\".join(images[:2]),
        "held": "\\".join(sorted({instance.study_instance_uid for instance in sides.identities})),
    }
    return {keyword: value.format(**uids) for keyword, value in case.all_keys.items()}
