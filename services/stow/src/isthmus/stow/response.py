"""What became of each instance, as the response module and a status (PS3.18 10.5.3, Annex I)."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from isthmus.common.dicom.json_model import DicomJson, JsonElement
from isthmus.common.dicom.statuses import WARNINGS, error_comment
from isthmus.stow.reasons import SUCCESS, explain


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one instance."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    status: int
    """DIMSE status (PS3.4 B.2.3), which is also the Failure Reason or Warning Reason."""
    detail: str = ""
    """What is wrong with it, where we have found that; it quotes no value."""

    @property
    def has_warning(self) -> bool:
        """Whether the origin took it, but with a warning."""
        return self.status >> 12 == 0xB or self.status in WARNINGS

    @property
    def is_stored(self) -> bool:
        """Whether the origin has it."""
        return self.status == SUCCESS or self.has_warning

    @property
    def is_out_of_resources(self) -> bool:
        """Whether it is worth sending again later."""
        return self.status >> 8 == 0xA7


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a whole request."""

    outcomes: tuple[Outcome, ...]
    """In the order of the parts."""
    others: tuple[int, ...] = ()
    """Failure Reasons of parts with which no instance can be named."""

    @property
    def status_code(self) -> int:
        """The HTTP status (PS3.18 Table 10.5.3-1); 503 when the origin wants all of it again later."""
        stored = sum(outcome.is_stored for outcome in self.outcomes)
        if stored == 0:
            later = self.outcomes and all(outcome.is_out_of_resources for outcome in self.outcomes)
            return 503 if later and not self.others else 409
        clean = stored == len(self.outcomes) and not any(outcome.has_warning for outcome in self.outcomes)
        return 200 if clean and not self.others else 202

    @property
    def statuses(self) -> list[int]:
        """The Failure and Warning Reasons in it, each once."""
        given = {outcome.status for outcome in self.outcomes} | set(self.others)
        return sorted(given - {SUCCESS})

    @property
    def stored_study(self) -> str | None:
        """The study of all that is stored; None where it is of several, or nothing is."""
        studies = {outcome.study_instance_uid for outcome in self.outcomes if outcome.is_stored}
        return studies.pop() if len(studies) == 1 else None

    def module(self, studies_url: str) -> DicomJson:
        """Write the Store Instances Response Module (PS3.18 Table I.1-1), no sequence without an item.

        Args:
            studies_url: the origin's `studies` resource, absolute.
        """
        stored = [outcome for outcome in self.outcomes if outcome.is_stored]
        failed = [outcome for outcome in self.outcomes if not outcome.is_stored]
        study = self.stored_study
        module: DicomJson = {
            # Type 2: it is the URL of one study, and empty when there is not exactly one.
            "00081190": {"vr": "UR", "Value": [study_url(studies_url, study)]} if study else {"vr": "UR"}
        }
        if failed:
            module["00081198"] = _sequence([_failed(outcome) for outcome in failed])
        if stored:
            module["00081199"] = _sequence([_referenced(outcome, studies_url) for outcome in stored])
        if self.others:
            module["0008119A"] = _sequence([_reason(status) for status in self.others])
        return module


def study_url(studies_url: str, study: str) -> str:
    """Give the URL of a study below the `studies` resource of its origin."""
    return f"{studies_url}/{quote(study, safe='')}"


def _failed(outcome: Outcome) -> DicomJson:
    return dict(sorted({**_reference(outcome), **_reason(outcome.status, outcome.detail)}.items()))


def _reason(status: int, detail: str = "") -> DicomJson:
    """Write a Failure Reason, and an Error Comment (0000,0902) in words of ours.

    Those of the origin are not handed on: they may quote a patient's data, and answers end up in logs.
    """
    comment = error_comment(detail or explain(status))
    return {
        "00000902": {"vr": "LO", "Value": [comment]},
        "00081197": {"vr": "US", "Value": [status]},
    }


def _referenced(outcome: Outcome, studies_url: str) -> DicomJson:
    study, series, instance = (
        quote(uid, safe="")
        for uid in (outcome.study_instance_uid, outcome.series_instance_uid, outcome.sop_instance_uid)
    )
    item: DicomJson = {
        **_reference(outcome),
        "00081190": {"vr": "UR", "Value": [f"{studies_url}/{study}/series/{series}/instances/{instance}"]},
    }
    if outcome.has_warning:
        item["00081196"] = {"vr": "US", "Value": [outcome.status]}
    return dict(sorted(item.items()))


def _reference(outcome: Outcome) -> DicomJson:
    return {
        "00081150": {"vr": "UI", "Value": [outcome.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [outcome.sop_instance_uid]},
    }


def _sequence(items: Sequence[DicomJson]) -> JsonElement:
    return {"vr": "SQ", "Value": list(items)}
