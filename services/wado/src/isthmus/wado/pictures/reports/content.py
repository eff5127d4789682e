"""What a structured report says: its heading, and its content tree (PS3.3 C.17.3)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.common.dicom.json_model import DicomJson, JsonValue
from isthmus.wado.answers.json_items import integers, items, values
from isthmus.wado.pictures.reports.wording import date_of, name_of, number_of, time_of, timestamp_of

_VALUE_TYPE: Final = "0040A040"
_CONTENT: Final = "0040A730"
_EVIDENCE: Final = ("0040A375", "0040A385")
"""Current Requested Procedure Evidence Sequence, and Pertinent Other Evidence Sequence."""


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept (PS3.3 8)."""

    meaning: str
    value: str
    scheme: str


@dataclass(frozen=True, slots=True)
class Reference:
    """An instance that the report refers to."""

    instance: str
    """SOP Instance UID."""
    series: str | None
    """Series Instance UID, if the report says which."""
    study: str | None
    """Study Instance UID, likewise."""
    frames: tuple[int, ...] = ()
    """Those that are meant; none: all of them."""

    @property
    def label(self) -> str:
        """As a person reads it."""
        frames = f" (frame {', '.join(map(str, self.frames))})" if self.frames else ""
        return self.instance + frames


@dataclass(frozen=True, slots=True)
class ContentItem:
    """A node of the content tree."""

    relationship: str
    """To the one above: "CONTAINS", "HAS PROPERTIES"...; empty for the root."""
    value_type: str
    """"CONTAINER", "TEXT", "NUM"...; empty for one that stands for another one."""
    name: Code | None
    value: str
    """As a person reads it, of one line or several; empty for a container."""
    code: Code | None
    """Of the value, or of its unit of measurement."""
    references: tuple[Reference, ...]
    children: tuple["ContentItem", ...]

    @property
    def label(self) -> str:
        """What stands before its value."""
        name = self.name.meaning or self.name.value if self.name else ""
        return name or self.value_type.capitalize() or "Reference"


@dataclass(frozen=True, slots=True)
class Report:
    """A structured report."""

    title: str
    heading: tuple[tuple[str, str], ...]
    """Of whom, when, by whom: names and values, without the empty ones."""
    content: ContentItem
    is_whole: bool
    """Nothing of it was unreadable."""


def is_report(attributes: DicomJson) -> bool:
    """Tell whether an instance has the SR Document Content Module."""
    return _CONTENT in attributes and _VALUE_TYPE in attributes


def report_of(attributes: DicomJson, left_out: Sequence[str]) -> Report:
    """Understand a structured report.

    Args:
        attributes: The whole instance, all values inline.
        left_out: The paths of those that could not be read.
    """
    content = _Tree(attributes).item(attributes)
    title = content.name.meaning if content.name and content.name.meaning else "Structured Report"
    heading = tuple((name, value) for name, value in _heading(attributes) if value)
    return Report(title, heading, content, not any(path.startswith(_CONTENT) for path in left_out))


class _Tree:
    """Reads the content tree."""

    def __init__(self, attributes: DicomJson) -> None:
        self._where = dict(_evidence(attributes))

    def item(self, attributes: DicomJson) -> ContentItem:
        value_type = _text(attributes, _VALUE_TYPE)
        value, code = _VALUES.get(value_type, _no_value)(attributes)
        return ContentItem(
            relationship=_text(attributes, "0040A010"),
            value_type=value_type,
            name=_code(attributes, "0040A043"),
            value=value or _target(attributes),
            code=code,
            references=tuple(self._references(attributes)),
            children=tuple(self.item(child) for child in items(attributes, _CONTENT)),
        )

    def _references(self, attributes: DicomJson) -> Iterator[Reference]:
        for each in items(attributes, "00081199"):
            instance = _text(each, "00081155")
            if instance:
                study, series = self._where.get(instance, (None, None))
                yield Reference(instance, series, study, integers(each, "00081160"))


def _evidence(attributes: DicomJson) -> Iterator[tuple[str, tuple[str, str]]]:
    """Give the study and series of each instance that the report is based on (PS3.3 C.17.2)."""
    for sequence in _EVIDENCE:
        for study in items(attributes, sequence):
            for series in items(study, "00081115"):
                where = _text(study, "0020000D"), _text(series, "0020000E")
                for instance in items(series, "00081199"):
                    if all(where):
                        yield _text(instance, "00081155"), where


def _heading(attributes: DicomJson) -> Iterator[tuple[str, str]]:
    yield "Patient", _text(attributes, "00100010")
    yield "Patient ID", _text(attributes, "00100020")
    yield "Birth date", date_of(_text(attributes, "00100030"))
    yield "Sex", _text(attributes, "00100040")
    yield "Study", _text(attributes, "00081030")
    yield "Study date", date_of(_text(attributes, "00080020"))
    yield "Accession number", _text(attributes, "00080050")
    yield "Referring physician", _text(attributes, "00080090")
    written = date_of(_text(attributes, "00080023")), time_of(_text(attributes, "00080033"))
    yield "Written", " ".join(filter(None, written))
    yield "Completion", _text(attributes, "0040A491").capitalize()
    yield "Verification", _text(attributes, "0040A493").capitalize()
    for observer in items(attributes, "0040A073"):
        said = (
            _text(observer, "0040A075"),
            _text(observer, "0040A027"),
            timestamp_of(_text(observer, "0040A030")),
        )
        yield "Verified by", ", ".join(filter(None, said))


_Value = tuple[str, Code | None]


def _no_value(_: DicomJson) -> _Value:
    return "", None


def _plain(tag: str, wording: Callable[[str], str] = str) -> Callable[[DicomJson], _Value]:
    return lambda attributes: (wording(_text(attributes, tag)), None)


def _coded(attributes: DicomJson) -> _Value:
    code = _code(attributes, "0040A168")
    return (code.meaning or code.value if code else ""), code


def _measured(attributes: DicomJson) -> _Value:
    for measured in items(attributes, "0040A300"):
        unit = _code(measured, "004008EA")
        number = number_of(_first(measured, "0040A30A"))
        # UCUM's "1" is no unit, and what a person reads of the others is their code.
        shown = "" if unit is None or unit.value == "1" else unit.value or unit.meaning
        return " ".join(filter(None, (number, shown))), unit
    qualifier = _code(attributes, "0040A301")
    return (qualifier.meaning if qualifier else ""), qualifier


def _graphic(attributes: DicomJson) -> _Value:
    numbers = [number_of(number) for number in values(attributes, "00700022")]
    shown = ", ".join(numbers[:_SHOWN_NUMBERS]) + (", ..." if len(numbers) > _SHOWN_NUMBERS else "")
    return " ".join(filter(None, (_text(attributes, "00700023"), shown))), None


def _temporal(attributes: DicomJson) -> _Value:
    numbers = [
        number_of(value) for tag in ("0040A132", "0040A138", "0040A13A") for value in values(attributes, tag)
    ]
    return " ".join(filter(None, (_text(attributes, "0040A130"), ", ".join(numbers)))), None


_SHOWN_NUMBERS: Final = 24
"""Of the coordinates of a graphic."""
_VALUES: Final[Mapping[str, Callable[[DicomJson], _Value]]] = {
    "TEXT": _plain("0040A160"),
    "CODE": _coded,
    "NUM": _measured,
    "DATETIME": _plain("0040A120", timestamp_of),
    "DATE": _plain("0040A121", date_of),
    "TIME": _plain("0040A122", time_of),
    "UIDREF": _plain("0040A124"),
    "PNAME": _plain("0040A123"),
    "SCOORD": _graphic,
    "SCOORD3D": _graphic,
    "TCOORD": _temporal,
}
"""PS3.3 Table C.17.3-7; the others have references, or nothing."""


def _target(attributes: DicomJson) -> str:
    """Give the place of the item that this one stands for (PS3.3 C.17.3.2.5)."""
    place = integers(attributes, "0040DB73")
    return f"see {'.'.join(map(str, place))}" if place else ""


def _code(attributes: DicomJson, tag: str) -> Code | None:
    for item in items(attributes, tag):
        # The Long Code Value and the URN Code Value are for those that do not fit.
        value = next(filter(None, (_text(item, each) for each in ("00080100", "00080119", "00080120"))), "")
        return Code(_text(item, "00080104"), value, _text(item, "00080102"))
    return None


def _first(attributes: DicomJson, tag: str) -> JsonValue:
    return next(iter(values(attributes, tag)), None)


def _text(attributes: DicomJson, tag: str) -> str:
    value = _first(attributes, tag)
    if isinstance(value, Mapping):
        return name_of(value)
    return "" if value is None else str(value)
