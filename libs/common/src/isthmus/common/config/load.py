"""Reading the settings, and saying clearly what is wrong with them."""

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, get_args

from pydantic import BaseModel, ValidationError

from isthmus.common.config.nearest import did_you_mean
from isthmus.common.config.origins import KINDS, Protocol
from isthmus.common.config.settings import Settings
from isthmus.common.errors import SettingsError

ENVIRONMENT_PREFIX: Final = "ISTHMUS_"
NOT_SETTINGS: Final = frozenset({"ISTHMUS_CONFIG"})
"""Environment names that are no settings: where the settings file is."""
_UNREADABLE: Final = re.compile(r'Value error, error parsing value for field "(\w+)"')
"""What pydantic-settings says of a value in the environment that is no JSON."""
_LIST_TYPES: Final = frozenset({"tuple_type", "frozen_set_type"})
_DATE_TYPES: Final = frozenset({"date_type", "date_parsing", "date_from_datetime_parsing"})
_MESSAGES: Final = {
    "missing": "is missing",
    **dict.fromkeys(_LIST_TYPES, "must be a list"),
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "dict_type": "must be a table",
    "too_short": "must not be an empty list",
    "path_type": "must be the path of a file, in quotation marks",
    **dict.fromkeys(_DATE_TYPES, "must be a date, such as 2026-01-31"),
}
"""What pydantic says in words of Python, in those of TOML."""


def load_settings(path: Path | None) -> Settings:
    """Read the settings file and the environment (`ISTHMUS_GATEWAY__LISTEN`; lists as JSON) over it.

    Args:
        path: the TOML file, None for all defaults. One that is named must be there: with a typing error all
            would be open.

    Raises:
        SettingsError: a line for each thing that is wrong, with file, key and what was expected.
    """
    content = {} if path is None else _read(path)
    _check_environment(os.environ)
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        file = str(path) if content else "environment"
        raise SettingsError("\n".join(_lines(error, file))) from None


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: is no TOML: {error}") from None
    except FileNotFoundError:
        raise SettingsError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from None


def _check_environment(environ: Mapping[str, str]) -> None:
    known = {ENVIRONMENT_PREFIX + name.upper() for name in Settings.model_fields}
    for name in environ:
        upper = name.upper()
        if upper.startswith(ENVIRONMENT_PREFIX) and upper not in NOT_SETTINGS:
            section = upper.split("__", maxsplit=1)[0]
            if section not in known:
                raise SettingsError(f"environment: {name} is no setting{did_you_mean(section, known)}")


def _not_json(section: str) -> str:
    """Give the environment names of a section whose values are no JSON, as one of them must be."""
    beginning = f"{ENVIRONMENT_PREFIX}{section}".upper()
    names = [name for name in os.environ if name.upper().startswith(beginning)]
    return " or ".join(name for name in names if not _is_json(os.environ[name]))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _lines(error: ValidationError, file: str) -> Iterable[str]:
    problems = error.errors(include_url=False, include_context=False)
    # Of an origin whose protocol is none, nothing else can be said.
    unknown = {problem["loc"][:2] for problem in problems if _as_written(problem["loc"])[2:] == ("protocol",)}
    for problem in problems:
        location = _as_written(problem["loc"])
        if location[:2] in unknown and location[2:] != ("protocol",):
            continue
        if problem["type"] == "too_short" and problem["input"]:  # what it holds is wrong, and is said
            continue
        source = "environment" if _is_in_environment(location, os.environ) else file
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
        if problem["type"] == "extra_forbidden":
            yield f"{source}: {key} is no setting{_instead(problem['loc'])}"
        elif unreadable := _UNREADABLE.match(problem["msg"]):
            yield f"environment: {_not_json(unreadable[1])} is no JSON"
        elif problem["type"] in _LIST_TYPES and isinstance(problem["input"], dict):
            yield f"{source}: {key}: must be a list of tables: [[{key}]]"
        else:
            message = _MESSAGES.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
            names_its_key = not key or message.startswith(f"{key}.")
            yield f"{source}: {message}" if names_its_key else f"{source}: {key}: {message}"


def _as_written(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Leave out the protocol by which the model of an origin was chosen: it is in no key."""
    if _is_of_a_kind(location):
        return (*location[:2], *location[3:])
    return location


def _is_of_a_kind(location: tuple[int | str, ...]) -> bool:
    return location[:1] == ("origins",) and len(location) > 2 and location[2] in KINDS


def _instead(location: tuple[int | str, ...]) -> str:
    """Give the end of a complaint about an unknown key: which one was meant, or whose it is."""
    name = str(location[-1])
    if _is_of_a_kind(location) and any(name in kind.model_fields for kind in KINDS.values()):
        return f' with protocol = "{location[2]}"'
    return did_you_mean(name, _siblings(location))


def _is_in_environment(location: tuple[int | str, ...], environ: Mapping[str, str]) -> bool:
    """Tell whether the environment sets this key, or, as JSON, a table or list around it."""
    names = {
        ENVIRONMENT_PREFIX + "__".join(map(str, location[:n])).upper() for n in range(1, len(location) + 1)
    }
    return any(name.upper() in names for name in environ)


def _siblings(location: tuple[int | str, ...]) -> set[str]:
    """The known keys of the table in which an unknown one stands."""
    models: list[type[BaseModel]] = [Settings]
    if _is_of_a_kind(location):
        models = [KINDS[Protocol(str(location[2]))]]
        location = location[3:]
    for part in location[:-1]:
        if not isinstance(part, int):
            fields = [
                field
                for model in models
                for name, field in model.model_fields.items()
                if part in (name, field.alias)
            ]
            models = [model for field in fields for model in _models_in(field.annotation)] or models
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def _models_in(annotation: object) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
