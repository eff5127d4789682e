"""What a client did: in a form in which two runs can be compared, difference by difference."""

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pydicom
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from tests.data_sets import Identity, raw_dataset, transfer_syntax
from tests.data_sets import identity as identity_of
from tests.inverse.programs import Ended

Answer = Mapping[str, str]
"""An answer to C-FIND: values as text by keyword, an empty one for an attribute without a value."""


@dataclass(frozen=True)
class Result:
    """One run of a client.

    Attributes:
        code: the program's exit code.
        status: the last status; None where no final response came.
        statuses: of each C-STORE, in the order of the files.
        counters: Completed, Failed and Warning Sub-operations of the last response.
        answers: to C-FIND, by what identifies each at its level.
        instances: Part 10 files that arrived, or are held afterwards.
    """

    code: int
    status: int | None
    statuses: Sequence[int] = ()
    counters: tuple[int | None, ...] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)
    instances: Mapping[Identity, bytes] = field(default_factory=dict)


def answers(ended: Ended, key: str) -> dict[str, Answer]:
    """Read the answers that findscu wrote.

    Several may have the same key: patients without a Patient ID, a study of two patients. Those are numbered.

    Args:
        ended: how it ended.
        key: the keyword of the unique key of the level (PS3.4 C.6.1.1).
    """
    read = [
        {element.keyword: _text(element.value) for element in _read(file) if element.keyword}
        for file in ended.files
    ]
    found: dict[str, Answer] = {}
    alike: Counter[str] = Counter()
    for answer in sorted(read, key=lambda answer: sorted(answer.items())):
        unique = answer.get(key, "")
        alike[unique] += 1
        found[unique if alike[unique] == 1 else f"{unique} ({alike[unique]})"] = answer
    return found


def instances(files: Sequence[bytes]) -> dict[Identity, bytes]:
    """Arrange Part 10 files by what they hold.

    Raises:
        AssertionError: an instance came twice.
    """
    found: dict[Identity, bytes] = {}
    for file in files:
        identity = identity_of(file)
        assert identity not in found, "an instance came twice"
        found[identity] = file
    return found


def differences(expected: Result, got: Result) -> Iterator[str]:
    """Say what is not alike, one line for each thing.

    Args:
        expected: what the client did at Orthanc's own port.
        got: what it did at ours.
    """
    for name in ("code", "status", "statuses", "counters"):
        there, here = getattr(expected, name), getattr(got, name)
        if there != here:
            yield f"{name}: {here} instead of {there}"
    for key in sorted(expected.answers.keys() ^ got.answers.keys()):
        yield f"answer {'lacks' if key in expected.answers else 'is too much'}: {key}"
    for key in sorted(expected.answers.keys() & got.answers.keys()):
        yield from _differing_values(key, expected.answers[key], got.answers[key])
    for identity in sorted(expected.instances.keys() ^ got.instances.keys()):
        lacks = identity in expected.instances
        yield f"instance {'lacks' if lacks else 'is too much'}: {identity.sop_instance_uid}"
    for identity in sorted(expected.instances.keys() & got.instances.keys()):
        if not same_instance(expected.instances[identity], got.instances[identity]):
            yield f"instance differs: {identity.sop_instance_uid}"


def _differing_values(key: str, expected: Answer, got: Answer) -> Iterator[str]:
    for keyword in sorted(expected.keys() | got.keys()):
        there, here = expected.get(keyword), got.get(keyword)
        if there != here:
            yield f"{keyword} of {key}: {here!r} instead of {there!r}"


def same_instance(expected: bytes, got: bytes) -> bool:
    """Whether two files hold the same data set in the same transfer syntax, byte for byte or by elements.

    Orthanc writes a data set anew when it sends it by DIMSE: group lengths (PS3.5 7.2) and padding are gone,
    sequences may have other lengths. Over DICOMweb it gives the file as it is in its storage.
    """
    if transfer_syntax(expected) != transfer_syntax(got):
        return False
    if raw_dataset(expected) == raw_dataset(got):
        return True
    return _without_lengths(_read(expected)) == _without_lengths(_read(got))


def _without_lengths(ds: Dataset) -> Dataset:
    """Leave out what only tells how the others are written, at all depths."""
    for element in list(ds):
        if element.tag.element == 0 or element.keyword == "DataSetTrailingPadding":
            del ds[element.tag]
        elif element.VR == "SQ":
            for item in element.value:
                _without_lengths(item)
    return ds


def _read(file: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(file), force=True)


def _text(value: object) -> str:
    if isinstance(value, MultiValue):
        return "\\".join(map(str, value))
    return "" if value is None else str(value)
