"""What became of instances at a destination: stored, refused, or not even tried because it is away."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from isthmus.common.bus.forwards import derived_id
from isthmus.common.messages import BlobRef, DeadLetter, Forwarding, InstanceStored, Refusal, encode

NO_ANSWER: Final = 0x0110
BUSY: Final = "Busy"
"""An HTTP status that says nothing of the instance."""
_BUSY_STATUSES: Final = frozenset({408, 429, 502, 503, 504})
SILENT: Final = frozenset({"AssociationAborted", "OriginTimeout"})
"""Failures of a destination that is away, or that cannot do with just this instance."""
AWAY: Final = SILENT | {
    BUSY,
    "AssociationRejected",
    "BusUnavailable",
    "CircuitOpen",
    "Forbidden",  # its worker takes us for nobody of ours
    "NoWorker",
    "NotTried",
    "OriginCancelled",
    "OriginUnreachable",
    "StoreUnavailable",
}
"""Failures that say nothing of the instance."""
MISSING: Final = "BlobMissing"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The instances of a `Forwarding`, by what became of them."""

    stored: int
    refused: tuple[tuple[BlobRef, Refusal], ...]
    away: tuple[BlobRef, ...]
    """What the destination said nothing of, as one that is away."""
    missing: tuple[tuple[BlobRef, Refusal], ...]
    """What is not in S3."""
    is_silent: bool
    """Whether it gave no answer to anything, but may be there all the same."""

    why: str = ""
    """The kind of failure because of which the destination is taken to be away."""

    def arrived(self, forwarding: Forwarding) -> tuple[BlobRef, ...]:
        """Give what is at the destination now."""
        left = {ref.key for ref in self.away}
        left |= {ref.key for ref, _ in (*self.refused, *self.missing)}
        return tuple(ref for ref in forwarding.blobs if ref.key not in left)

    @property
    def is_away(self) -> bool:
        """Whether the destination gave no answer to any of them."""
        return bool(self.away) and not self.stored and not self.refused


def judge(forwarding: Forwarding, results: Mapping[int, InstanceStored], *, is_there: bool) -> Judgement:
    """Sort the instances by their results; one without a result was refused.

    Args:
        forwarding: what was sent.
        results: by place.
        is_there: whether the destination is known to answer: then its silence is a refusal.
    """
    answers = [(ref, results.get(index)) for index, ref in enumerate(forwarding.blobs)]
    answered = any(answer and _kind(answer) not in AWAY | {MISSING} for _, answer in answers)
    passing = AWAY - SILENT if is_there or answered else AWAY
    failed = [(ref, answer) for ref, answer in answers if not _is_stored(answer)]
    judged = [(ref, _kind(answer), _refusal(ref, answer)) for ref, answer in failed]
    return Judgement(
        len(answers) - len(failed),
        tuple((ref, refusal) for ref, kind, refusal in judged if kind not in passing | {MISSING}),
        tuple(ref for ref, kind, _ in judged if kind in passing),
        tuple((ref, refusal) for ref, kind, refusal in judged if kind == MISSING),
        is_silent=any(kind in SILENT & passing for _, kind, _ in judged),
        why=next((kind for _, kind, _ in judged if kind is not None and kind in passing), ""),
    )


def _is_stored(answer: InstanceStored | None) -> bool:
    return answer is not None and answer.failure is None


def _kind(answer: InstanceStored | None) -> str | None:
    if answer is None or answer.failure is None:
        return None
    failure = answer.failure
    return BUSY if failure.status is None and failure.http_status in _BUSY_STATUSES else failure.kind


def _refusal(ref: BlobRef, answer: InstanceStored | None) -> Refusal:
    status = NO_ANSWER if answer is None else answer.status
    return Refusal(ref.sop_instance_uid, status, _kind(answer))


def later(forwarding: Forwarding, away: Sequence[BlobRef]) -> Forwarding:
    """Give what is left for when the destination is there; no attempt is counted."""
    return replace(
        forwarding,
        id=derived_id(forwarding.id, "later"),
        blobs=tuple(away),
        tried=time.time(),
        not_before=0.0,
    )


def retried(forwarding: Forwarding, refused: Sequence[tuple[BlobRef, Refusal]], pause: float) -> Forwarding:
    """Give the instances that were refused, for another attempt after `pause` seconds."""
    now = time.time()
    return replace(
        forwarding,
        id=derived_id(forwarding.id, "retried"),
        blobs=tuple(ref for ref, _ in refused),
        attempts=forwarding.attempts + 1,
        refusals=tuple(refusal for _, refusal in refused),
        tried=now,
        not_before=now + pause,
    )


def letter(last_attempt: Forwarding) -> DeadLetter:
    """Write the dead letter of instances that were refused as often as is allowed."""
    return DeadLetter(
        "forward",
        last_attempt.destination,
        _reason(last_attempt.refusals),
        last_attempt.attempts,
        last_attempt.since,
        last_attempt.tried,
        encode(last_attempt),
    )


def unvouched(forwarding: Forwarding) -> DeadLetter:
    """Write the dead letter of what no service of ours has put into the queue, as far as its key tells."""
    return DeadLetter(
        "forward",
        forwarding.destination,
        "not signed by a service of ours, or with another signing key",
        forwarding.attempts,
        forwarding.since,
        forwarding.tried or time.time(),
        encode(forwarding),
    )


def _reason(refusals: Sequence[Refusal]) -> str:
    """Say how many were refused how: `2 x A900, 1 x 0110 (AssociationAborted)`."""
    counted: dict[str, int] = {}
    for refusal in refusals:
        kind = refusal.kind if refusal.kind not in {None, "OperationFailed"} else None
        said = f"{refusal.status:04X} ({kind})" if kind else f"{refusal.status:04X}"
        counted[said] = counted.get(said, 0) + 1
    return ", ".join(f"{count} x {said}" for said, count in counted.items())
