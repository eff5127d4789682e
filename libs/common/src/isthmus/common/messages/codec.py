"""Messages to bytes and back."""

from enum import Enum
from typing import Any, Final, TypeVar, overload

import msgpack
from pydantic import TypeAdapter, ValidationError

from isthmus.common.errors import ContractError

VERSION: Final = 1

_LONGEST_NAME: Final = 40
_LARGEST_NUMBER: Final = 1000

M = TypeVar("M")
N = TypeVar("N")
P = TypeVar("P")
Q = TypeVar("Q")
R = TypeVar("R")
S = TypeVar("S")


_adapters: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type[M]) -> TypeAdapter[M]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} has no form in a message")


def _shown(value: object) -> str:
    """Write a version or the name of a type; whatever else is there may be of a patient, or endless."""
    named = isinstance(value, str) and value.isidentifier() and len(value) <= _LONGEST_NAME
    numbered = isinstance(value, int) and abs(value) < _LARGEST_NUMBER
    return repr(value) if named or numbered or value is None else f"of {type(value).__name__}"


def encode(message: object) -> bytes:
    """Write a message as a msgpack map with its version and type."""
    kind = type(message)
    fields = _adapter(kind).dump_python(message, mode="python")
    packed: bytes = msgpack.packb({"v": VERSION, "type": kind.__name__, **fields}, default=_plain)
    return packed


@overload
def decode(data: bytes, first: type[M], /) -> M: ...
@overload
def decode(data: bytes, first: type[M], second: type[N], /) -> M | N: ...
@overload
def decode(data: bytes, first: type[M], second: type[N], third: type[P], /) -> M | N | P: ...
@overload
def decode(
    data: bytes,
    first: type[M],
    second: type[N],
    third: type[P],
    fourth: type[Q],
    fifth: type[R],
    sixth: type[S],
    /,
) -> M | N | P | Q | R | S: ...
@overload
def decode(data: bytes, /, *kinds: type[M]) -> M: ...
def decode(data: bytes, /, *kinds: type[M]) -> M:
    """Read a message of one of these types.

    Raises:
        ContractError: it is no message, of another version or type, or a field is missing or wrong; the text
        names
            the field, never its value.
    """
    try:
        fields = msgpack.unpackb(data)
    except (ValueError, msgpack.UnpackException) as error:
        raise ContractError(f"no msgpack: {type(error).__name__}") from None
    if not isinstance(fields, dict):
        raise ContractError("no map")
    if fields.get("v") != VERSION:
        raise ContractError(f"version {_shown(fields.get('v'))}, and not {VERSION}")
    name = fields.get("type")
    kind = next((kind for kind in kinds if kind.__name__ == name), None)
    if kind is None:
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise ContractError(f"a {_shown(name)}, and not {expected}")
    try:
        return _adapter(kind).validate_python(fields)
    except ValidationError as error:
        wrong = ", ".join(
            f"{'.'.join(map(str, problem['loc']))} ({problem['type']})"
            for problem in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise ContractError(f"{name}: {wrong}") from None
