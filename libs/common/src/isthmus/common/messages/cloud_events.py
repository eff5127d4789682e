"""Events to JSON and back: the JSON format of CloudEvents 1.0, attributes and data in one document."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import Discriminator, StringConstraints, TypeAdapter, ValidationError

from isthmus.common.errors import ContractError
from isthmus.common.messages.events import SPEC_VERSION, CloudEvent, EventType, InstanceEvent, StudyEvent

CONTENT_TYPE: Final = "application/cloudevents+json"
_DATA_CONTENT_TYPE: Final = "application/json"

_Filled = Annotated[str, StringConstraints(min_length=1)]
_Timestamp = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$"
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """What stands beside the data (CloudEvents 1.0, 3.1); `source` and `subject` repeat what is in it."""

    specversion: Literal["1.0"]
    id: _Filled
    source: _Filled
    time: _Timestamp
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _InstanceWritten(_Written):
    type: Literal[EventType.INSTANCE_STORED]
    data: InstanceEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class _StudyWritten(_Written):
    type: Literal[EventType.STUDY_ARRIVED, EventType.STUDY_AMENDED]
    data: StudyEvent


@cache
def _reader() -> TypeAdapter[_InstanceWritten | _StudyWritten]:
    return TypeAdapter(Annotated[_InstanceWritten | _StudyWritten, Discriminator("type")])


@cache
def _writers() -> Mapping[type, TypeAdapter[Any]]:
    return {kind: TypeAdapter(kind) for kind in (InstanceEvent, StudyEvent)}


def to_json(event: CloudEvent[Any]) -> bytes:
    """Write an event; every field of its data is there, `null` where it has no value."""
    written: dict[str, object] = {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "source": event.source,
        "type": event.type.value,
        "subject": event.subject,
        "time": event.time,
        "datacontenttype": _DATA_CONTENT_TYPE,
    }
    if event.traceparent is not None:
        written["traceparent"] = event.traceparent
    written["data"] = orjson.Fragment(_writers()[type(event.data)].dump_json(event.data))
    return orjson.dumps(written)


def from_json(data: bytes) -> CloudEvent[Any]:
    """Read an event; a field that is not known is ignored, as one of a later version.

    Raises:
        ContractError: it is none of ours; the text names the field that is wrong, never its value.
    """
    try:
        read = _reader().validate_json(data, strict=True)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        wrong = (f"{_field(problem['loc'])}{problem['type']}" for problem in problems)
        raise ContractError(f"event: {', '.join(wrong)}") from None
    return CloudEvent(
        id=read.id, type=read.type, data=read.data, time=read.time, traceparent=read.traceparent
    )


_FIELDS: Final = frozenset(
    field.name
    for kind in (_InstanceWritten, _StudyWritten, InstanceEvent, StudyEvent)
    for field in fields(kind)
)


def _field(place: tuple[int | str, ...]) -> str:
    """Name a field: without the type of the event, and without keys, which are no names of ours."""
    named = ".".join(name for name in place if isinstance(name, str) and name in _FIELDS)
    return f"{named}: " if named else ""
