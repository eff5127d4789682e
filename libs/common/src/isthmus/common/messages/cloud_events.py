"""Events to JSON and back: the structured mode of CloudEvents 1.0."""

import json
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from isthmus.common.errors import ContractError
from isthmus.common.messages.events import SPEC_VERSION, CloudEvent, EventType, InstanceEvent, StudyEvent

CONTENT_TYPE: Final = "application/cloudevents+json"

_KINDS: Final = {
    EventType.INSTANCE_STORED: InstanceEvent,
    EventType.STUDY_ARRIVED: StudyEvent,
    EventType.STUDY_AMENDED: StudyEvent,
}
_adapters: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def to_json(event: CloudEvent[Any]) -> bytes:
    """Write an event."""
    written: dict[str, object] = {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "source": event.source,
        "type": event.type.value,
        "subject": event.subject,
        "time": event.time,
        "datacontenttype": "application/json",
    }
    if event.traceparent is not None:
        written["traceparent"] = event.traceparent
    written["data"] = _adapter(type(event.data)).dump_python(event.data, mode="json")
    return json.dumps(written, ensure_ascii=False, separators=(",", ":")).encode()


def from_json(data: bytes) -> CloudEvent[Any]:
    """Read an event.

    Raises:
        ContractError: it is none of ours; the text names what is wrong, never its value.
    """
    try:
        written = json.loads(data)
        kind = EventType(written["type"])
        return CloudEvent(
            id=str(written["id"]),
            type=kind,
            data=_adapter(_KINDS[kind]).validate_python(written["data"], strict=False),
            time=str(written["time"]),
            traceparent=written.get("traceparent"),
        )
    except ValidationError as error:
        wrong = ", ".join(".".join(map(str, one["loc"])) for one in error.errors(include_input=False))
        raise ContractError(f"event: data: {wrong}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ContractError(f"event: {type(error).__name__}") from None
