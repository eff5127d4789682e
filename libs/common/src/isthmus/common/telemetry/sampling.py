"""Which traces are recorded.

Of what begins here a share is recorded, and each service then does as the one before it, over NATS. A client
of a face is believed within bounds: what it does not record is not recorded here; what it does record is,
whatever the share, but only so many traces in a second, and of more than these the share again. A share of 0
records nothing, whoever asks.
"""

import random
import threading
from collections.abc import Sequence
from time import monotonic
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.util.types import Attributes

FORCED_A_SECOND: Final = 10.0
"""Traces that clients have recorded beyond our share, in each process of a face."""


class _ByParent(Sampler):
    """Does as the span before it, and of those that begin a trace as `first` does.

    As OpenTelemetry's ParentBased, without its many steps: it is asked for each span of each instance.
    """

    def __init__(self, first: Sampler) -> None:
        self._first = first

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        before = get_current_span(parent_context).get_span_context()
        if not before.is_valid:
            return self._first.should_sample(parent_context, trace_id, name, kind, attributes, links)
        if before.trace_flags & TraceFlags.SAMPLED:
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)
        return _UNRECORDED

    def get_description(self) -> str:
        return f"by parent, else {self._first.get_description()}"


_UNRECORDED: Final = SamplingResult(Decision.DROP)


class Sampling:
    """The decisions of this process."""

    def __init__(self, share: float) -> None:
        """Record a share of the traces, from 0 to 1."""
        self.sampler: Final[Sampler] = _ByParent(TraceIdRatioBased(share))
        self._share = share
        self._lock = threading.Lock()
        self._left = FORCED_A_SECOND
        self._seen_at = monotonic()

    def of_client(self, context: Context) -> Context:
        """Give the context of a client's trace, with what becomes of its wish to have it recorded."""
        theirs = get_current_span(context).get_span_context()
        if not theirs.is_valid or not theirs.trace_flags.sampled or self._is_recorded():
            return context
        ours = SpanContext(theirs.trace_id, theirs.span_id, is_remote=True, trace_flags=TraceFlags())
        return set_span_in_context(NonRecordingSpan(ours), context)

    def _is_recorded(self) -> bool:
        # By chance, not by the trace's id: that is the client's choice.
        if random.random() < self._share:  # noqa: S311 - nothing is protected by it
            return True
        return self._share > 0 and self._may_force()

    def _may_force(self) -> bool:
        with self._lock:
            now = monotonic()
            self._left = min(FORCED_A_SECOND, self._left + (now - self._seen_at) * FORCED_A_SECOND)
            self._seen_at = now
            if self._left < 1:
                return False
            self._left -= 1
            return True
