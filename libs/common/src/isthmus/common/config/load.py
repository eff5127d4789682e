"""Reading the settings, and saying clearly what is wrong with them."""

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, get_args

from pydantic import BaseModel, ValidationError

from isthmus.common.config.nearest import did_you_mean
from isthmus.common.config.origins import Protocol
from isthmus.common.config.settings import Settings
from isthmus.common.errors import SettingsError

ENVIRONMENT_PREFIX: Final = "ISTHMUS_"
NOT_SETTINGS: Final = frozenset({"ISTHMUS_CONFIG"})
"""Environment names that are no settings: where the settings file is."""


def load_settings(path: Path | None) -> Settings:
    """Read the settings file and the environment (`ISTHMUS_GATEWAY__LISTEN`; lists as JSON) over it.

    Args:
        path: the TOML file; None, or a file that does not exist, means all defaults.

    Raises:
        SettingsError: a line for each thing that is wrong, with file, key and what was expected.
    """
    content = _read(path) if path is not None and path.exists() else {}
    _check_environment(os.environ)
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        file = str(path) if content else "environment"
        raise SettingsError("\n".join(_lines(error, file))) from None
    except ValueError as error:  # pydantic-settings: a value in the environment that is no JSON
        raise SettingsError(f"environment: {error}") from None


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: is no TOML: {error}") from None
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


def _lines(error: ValidationError, file: str) -> Iterable[str]:
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        location = _as_written(problem["loc"])
        source = "environment" if _is_in_environment(location, os.environ) else file
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
        if problem["type"] == "extra_forbidden":
            yield f"{source}: {key} is no setting{did_you_mean(str(location[-1]), _siblings(location))}"
        else:
            message = problem["msg"].removeprefix("Value error, ")
            yield f"{source}: {key or 'settings'}: {message}"


def _as_written(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Leave out the protocol by which the model of an origin was chosen: it is in no key."""
    if location[:1] == ("origins",) and len(location) > 2 and location[2] in frozenset(Protocol):
        return (*location[:2], *location[3:])
    return location


def _is_in_environment(location: tuple[int | str, ...], environ: Mapping[str, str]) -> bool:
    """Tell whether the environment sets this key, or, as JSON, a table or list around it."""
    names = {
        ENVIRONMENT_PREFIX + "__".join(map(str, location[:n])).upper() for n in range(1, len(location) + 1)
    }
    return any(name.upper() in names for name in environ)


def _siblings(location: tuple[int | str, ...]) -> set[str]:
    """The known keys of the table in which an unknown one stands; of any kind of origin."""
    models: list[type[BaseModel]] = [Settings]
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
