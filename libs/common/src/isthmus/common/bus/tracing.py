"""Spans of messages, by OpenTelemetry's semantic conventions for messaging.

They are named `send dicom.query` and `process dicom.query`: the tokens of subjects hold UIDs, and stay out.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from types import MappingProxyType
from typing import Final

from isthmus.common.bus.templates import TEMPLATES, verb
from isthmus.common.telemetry import Context, Link, Span, SpanKind, span
from isthmus.common.telemetry.attributes import (
    DICOM_ORIGIN,
    MESSAGING_DESTINATION_TEMPLATE,
    MESSAGING_OPERATION_NAME,
    MESSAGING_OPERATION_TYPE,
    MESSAGING_SYSTEM,
)

_SEND: Final = "send"
_PROCESS: Final = "process"


def sending(subject: str, *, origin: str | None = None) -> AbstractContextManager[Span]:
    """Be in the span of a message that is sent: what is injected meanwhile names it.

    Args:
        subject: where to.
        origin: the origin or inbox that it is about.
    """
    return _spanned(_SEND, subject, origin, SpanKind.PRODUCER)


def processing(
    subject: str, *, origin: str | None = None, context: Context | None = None, links: Sequence[Link] = ()
) -> AbstractContextManager[Span]:
    """Be in the span of a message that has come.

    Args:
        subject: where it was sent to.
        origin: the origin or inbox that it is about.
        context: that of the sender; the current one by default.
        links: of what was sent beside it.
    """
    return _spanned(_PROCESS, subject, origin, SpanKind.CONSUMER, context, links)


def _spanned(
    operation: str,
    subject: str,
    origin: str | None,
    kind: SpanKind,
    context: Context | None = None,
    links: Sequence[Link] = (),
) -> AbstractContextManager[Span]:
    name = verb(subject)
    told = _attributes(operation, name)
    if origin is not None:
        told = {**told, DICOM_ORIGIN: origin}
    return span(f"{operation} {name}", told, kind=kind, context=context, links=links)


@cache
def _attributes(operation: str, name: str) -> Mapping[str, str]:
    return MappingProxyType(
        {
            MESSAGING_SYSTEM: "nats",
            MESSAGING_OPERATION_NAME: operation,
            MESSAGING_OPERATION_TYPE: operation,
            MESSAGING_DESTINATION_TEMPLATE: TEMPLATES.get(name, name),
        }
    )
