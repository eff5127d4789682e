"""What becomes of the record and the list of a study when something happens: pure, and the same in any order.

Several processes share the work, so that what happened may be told out of order, and more than once. So an
instance that the list knows changes nothing; which of several contents under one UID is read is decided by
when the stream took them; and it is remembered for a while which associations have ended.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from isthmus.common.config import Conflicts
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_values import DicomJson, first_text
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.search_attributes import level_of
from isthmus.common.inbox.contents import Contents, Row, shared
from isthmus.common.inbox.state import SILENT_SECONDS, Arrival, Phase, SeriesSummary, StudyState
from isthmus.common.messages import AssociationEnded, BlobRef, InstancesReported
from isthmus.common.messages.events import InstanceEvent

ENDED: Final = 256
"""Associations of which it is remembered that they have ended."""
CALLERS: Final = 64
"""Calling AE titles of a study that are told."""
MOST_REPORTED: Final = 5_000
"""Instances that reports may name without their being here: a record is a message, of 1 MiB at most.

Beyond this the report that names them counts as one that may name more: then the quiet time decides.
"""
MOST_REPORTS: Final = 1_000
"""Reports on a study that are told apart. Beyond this none is remembered, and the quiet time decides."""
_NOT_REMEMBERED: Final = ""
"""In the place of those reports: one that may name more."""
_PATIENT_ID: Final = tag_of("PatientID")
_level = cache(level_of)


@dataclass(frozen=True, slots=True)
class Happened:
    """Something of a study, as the stream of events told it."""

    what: InstanceEvent | AssociationEnded | InstancesReported
    time: float
    """When the stream took it: seconds since 1970."""
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Merged:
    """What it makes of a study."""

    state: StudyState
    """Its record; `contents` is still that of the list before."""
    contents: Contents
    """The very list that was given, where nothing in it has changed."""


def merge(
    state: StudyState, contents: Contents, happened: Iterable[Happened], conflicts: Conflicts
) -> Merged:
    """Let things happen to a study; the record that comes is equal to the one given if nothing is new.

    Args:
        state: its record; not one that is publishing.
        contents: the list that the record names.
        happened: what did, in the order of the stream.
        conflicts: which of several contents under one SOP Instance UID is read.
    """
    merging = _Merging(state, contents, conflicts)
    for one in happened:
        match one.what:
            case InstanceEvent():
                merging.instance(one.what, one.time, one.traceparent)
            case AssociationEnded():
                merging.association_ended(one.what.association)
            case InstancesReported():
                merging.reported(one.what)
    return merging.merged()


class _Merging:
    def __init__(self, state: StudyState, contents: Contents, conflicts: Conflicts) -> None:
        self._state = state
        self._contents = contents
        self._conflicts = conflicts
        arrival = state.arrival
        self._rows: dict[str, Row] = {}
        self._attributes = state.attributes
        self._series = {one.uid: one.attributes for one in state.series}
        self._is_news = False
        self._last_stored = arrival.last_stored
        self._associations = dict(arrival.associations)
        self._ended = dict.fromkeys(arrival.ended)
        self._reports = dict(arrival.reports)
        self._unfinished = dict.fromkeys(arrival.unfinished_reports)
        self._awaited = self._named()
        self._callers = dict.fromkeys(arrival.calling_ae_titles)
        self._found_conflicts = dict.fromkeys(arrival.conflicts)
        self._patient_id = arrival.patient_id
        self._traceparent = arrival.traceparent

    def _named(self) -> frozenset[str]:
        return frozenset(uid for named in self._reports.values() for uid in named)

    def _row(self, instance: str) -> Row | None:
        return self._rows.get(instance) or self._contents.rows.get(instance)

    def instance(self, event: InstanceEvent, time: float, traceparent: str | None) -> None:
        before = self._row(event.instance)
        if before is None:
            self._read(event, time, (), is_named=event.instance in self._awaited)
        elif _has(before, event):
            return
        else:
            self._conflict(event, time, before)
        self._last_stored = max(self._last_stored, time)
        self._traceparent = traceparent or self._traceparent
        if event.calling_ae_title is not None and len(self._callers) < CALLERS:
            self._callers[event.calling_ae_title] = None
        if event.association is not None and event.association not in self._ended:
            heard = self._associations.get(event.association, 0.0)
            self._associations[event.association] = max(heard, time)

    def _read(
        self, event: InstanceEvent, time: float, others: tuple[BlobRef, ...], *, is_named: bool
    ) -> None:
        """Let this be what is read under its UID."""
        study, series, image = by_level(event.attributes)
        # A row that is read from now on is news, also when its UID is none.
        revision = self._state.arrival.revision + 1
        self._rows[event.instance] = Row(
            event.ref, event.digest, time, shared(image), others, revision, is_named
        )
        self._is_news = True
        if event.series not in self._series or time >= self._last_stored:
            self._series[event.series] = series
        if not self._attributes or time >= self._last_stored:
            self._attributes = study
        self._see_patient(study)

    def _see_patient(self, attributes: DicomJson) -> None:
        patient_id = first_text(attributes, _PATIENT_ID).strip()
        if patient_id and self._patient_id is None:
            self._patient_id = patient_id
        if patient_id and patient_id != self._patient_id:
            self._found_conflicts["patient"] = None

    def _conflict(self, event: InstanceEvent, time: float, before: Row) -> None:
        """Decide which of two contents is read; the other one stays beside it."""
        self._found_conflicts["instance"] = None
        takes_newest = event.conflict == "newest" if event.conflict else self._conflicts is Conflicts.NEWEST
        if time >= before.stored if takes_newest else time < before.stored:
            self._read(event, time, (*before.others, before.blob), is_named=before.is_named)
        else:
            self._rows[event.instance] = replace(before, others=(*before.others, event.ref))

    def association_ended(self, association: str) -> None:
        self._associations.pop(association, None)
        self._ended[association] = None

    def reported(self, told: InstancesReported) -> None:
        if told.report in self._reports and told.report not in self._unfinished and not told.final:
            return  # overtaken by its end
        if told.final and not told.instances:  # a step that made nothing says nothing of the others
            self._reports.pop(told.report, None)
            self._unfinished.pop(told.report, None)
            self._awaited = self._named()
            return
        self._name(told.instances)
        if told.report not in self._reports and len(self._reports) >= MOST_REPORTS:
            self._unfinished[_NOT_REMEMBERED] = None
            return
        others = sum(len(named) for report, named in self._reports.items() if report != told.report)
        missing = tuple(uid for uid in told.instances if self._row(uid) is None)
        fits = others + len(missing) <= MOST_REPORTED
        self._reports[told.report] = missing if fits else ()
        if told.final and fits:
            self._unfinished.pop(told.report, None)
        else:
            self._unfinished[told.report] = None
        self._awaited = self._named()

    def _name(self, instances: Iterable[str]) -> None:
        """Note of those that are here that they were named."""
        for uid in instances:
            row = self._row(uid)
            if row is not None and not row.is_named:
                self._rows[uid] = replace(row, is_named=True)

    def merged(self) -> Merged:
        contents = self._contents.with_rows(self._rows) if self._rows else self._contents
        return Merged(self._record(contents), contents)

    def _record(self, contents: Contents) -> StudyState:
        before = self._state.arrival
        arrival = Arrival(
            Phase.COLLECTING if self._is_news else before.phase,
            before.revision,
            before.announced,
            before.publication,
            self._last_stored,
            self._open_associations(),
            tuple(self._ended)[-ENDED:],
            {
                report: tuple(uid for uid in named if uid not in contents.rows)
                for report, named in self._reports.items()
            },
            tuple(self._unfinished),
            sum(not row.is_named for row in contents.rows.values()) if self._rows else before.unnamed,
            tuple(self._callers),
            tuple(self._found_conflicts),
            self._patient_id,
            self._traceparent,
        )
        if not self._rows:
            return replace(self._state, arrival=arrival)
        return replace(
            self._state,
            instances=len(contents.rows),
            size=sum(row.blob.size for row in contents.rows.values()),
            attributes=self._attributes,
            series=tuple(counted_series(self._series, contents.rows.values())),
            arrival=arrival,
        )

    def _open_associations(self) -> dict[str, float]:
        """Leave out those that were silent for so long before the last instance that they delay nothing."""
        silent = self._last_stored - SILENT_SECONDS
        return {name: heard for name, heard in self._associations.items() if heard > silent}


def by_level(attributes: DicomJson) -> tuple[DicomJson, DicomJson, DicomJson]:
    """Divide what is kept of an instance: the attributes of the study, of the series and of the instance."""
    study: DicomJson = {}
    series: DicomJson = {}
    image: DicomJson = {}
    for tag, element in attributes.items():
        level = _level(tag)
        (study if level is Level.STUDY else series if level is Level.SERIES else image)[tag] = element
    return study, series, image


def counted_series(series: Mapping[str, DicomJson], rows: Iterable[Row]) -> Iterator[SeriesSummary]:
    """Count what is read of each series; one of which nothing is read is none.

    Args:
        series: their attributes, by Series Instance UID.
        rows: all that is read of their study.
    """
    counts: dict[str, tuple[int, int]] = {}
    for row in rows:
        instances, size = counts.get(row.blob.series_instance_uid, (0, 0))
        counts[row.blob.series_instance_uid] = (instances + 1, size + row.blob.size)
    for uid, attributes in series.items():
        if uid in counts:
            yield SeriesSummary(uid, attributes, *counts[uid])


def _has(row: Row, event: InstanceEvent) -> bool:
    """Tell whether these bytes are known; they may lie twice, after a deletion of something else."""
    return row.digest == event.digest or event.blob.key in {other.key for other in row.others}
