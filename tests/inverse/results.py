"""What a client did: in a form in which two runs can be compared, difference by difference."""

import io
import warnings
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pydicom.valuerep import IS, DSfloat

from tests.data_sets import Identity, raw_dataset, transfer_syntax
from tests.data_sets import identity as identity_of
from tests.inverse.programs import Ended

Answer = Mapping[str, str]
"""An answer to C-FIND: values as text by keyword, without the attributes that have no value."""


@dataclass(frozen=True)
class Result:
    """One run of a client.

    Attributes:
        code: the program's exit code.
        status: the last status; None where no final response came.
        statuses: of each C-STORE, by the Affected SOP Instance UID of the response.
        counters: Completed, Failed and Warning Sub-operations of the last response.
        announced: how many there would be, by the responses before.
        answers: to C-FIND, by what identifies each at its level.
        instances: Part 10 files that arrived, or are held afterwards.
    """

    code: int
    status: int | None
    statuses: Mapping[str, int] = field(default_factory=dict)
    counters: tuple[int, ...] = ()
    announced: Set[int] = frozenset()
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
        {
            element.keyword: _text(element.value)
            for element in _read(file)
            if element.keyword and element.value
        }
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
    if expected.status != got.status:
        yield f"status: {_code(got.status)} instead of {_code(expected.status)}"
    for uid in sorted(expected.statuses.keys() | got.statuses.keys()):
        there, here = expected.statuses.get(uid), got.statuses.get(uid)
        if there != here:
            yield f"status of {uid}: {_code(here)} instead of {_code(there)}"
    for name in ("code", "counters"):
        if getattr(expected, name) != getattr(got, name):
            yield f"{name}: {getattr(got, name)} instead of {getattr(expected, name)}"
    if sum(got.counters) and got.announced - {sum(got.counters)}:
        yield f"announced: {sorted(got.announced)} sub-operations, not {sum(got.counters)}"
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


def _code(status: int | None) -> str:
    return "none" if status is None else f"{status:04X}"


def _differing_values(key: str, expected: Answer, got: Answer) -> Iterator[str]:
    for keyword in sorted(expected.keys() | got.keys()):
        there, here = expected.get(keyword), got.get(keyword)
        if there != here:
            yield f"{keyword} of {key}: {here!r} instead of {there!r}"


def same_instance(expected: bytes, got: bytes) -> bool:
    """Whether two files hold the same data set, byte for byte or by elements.

    Orthanc writes a data set anew when it sends it by DIMSE: group lengths (PS3.5 7.2) and padding are gone,
    sequences may have other lengths, and Pixel Data have the VR that they should have. Over DICOMweb it gives
    the file as it is in its storage. Of the native transfer syntaxes a provider takes the one that it likes.
    """
    if raw_dataset(expected) == raw_dataset(got):
        return True
    syntaxes = {transfer_syntax(expected), transfer_syntax(got)}
    if len(syntaxes) > 1 and not syntaxes <= _NATIVE:
        return False
    return _elements(_read(expected)) == _elements(_read(got))


_NATIVE: Final = frozenset({ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian})


def _elements(ds: Dataset) -> Mapping[str, object]:
    """Give the values of a data set by their tags, without what only tells how the others are written."""
    values: dict[str, object] = {}
    for element in ds:
        if element.VR == "SQ":
            values[str(element.tag)] = [_elements(item) for item in element.value]
        elif element.tag.element != 0 and element.keyword != "DataSetTrailingPadding":
            values[str(element.tag)] = _value(element, little_endian=ds.original_encoding[1] is not False)
    return values


def _value(element: DataElement, *, little_endian: bool) -> object:
    """Give a value; words in the order of little endian (PS3.5 7.3)."""
    if not isinstance(element.value, bytes):
        return element.value
    if element.VR == "OW" and not little_endian:
        words = array("H", element.value)
        words.byteswap()
        return words.tobytes()
    return element.value


def _read(file: bytes) -> Dataset:
    """Read a file to the last element, what is bad in it too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom says of each what the standard does not allow
        ds = pydicom.dcmread(io.BytesIO(file), force=True)
        for _ in ds.iterall():
            pass
    return ds


def _text(value: object) -> str:
    """Write a value; of a number not its form, which DICOM JSON does not keep (PS3.18 F.2.2)."""
    if isinstance(value, MultiValue):
        return "\\".join(map(_text, value))
    return str(float(value)) if isinstance(value, DSfloat | IS) else str(value)
