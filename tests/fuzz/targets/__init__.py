"""One module for each parser: `target` calls it, `seeds` gives what it is to begin with.

`target` lets through what its parser is to raise; whatever else comes out of it is a bug. `WORDS`, where a
module has it, are texts that the parser knows, and that nobody guesses.
"""

import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True, slots=True)
class Target:
    """A parser, and what is known of its inputs."""

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    words: tuple[bytes, ...]


def names() -> list[str]:
    """Give the names of all targets, in order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def target_of(name: str) -> Target:
    """Import a target: one of these, or a module elsewhere."""
    module = import_module(name if "." in name else f"{__name__}.{name}")
    return Target(name, module.target, module.seeds, getattr(module, "WORDS", ()))
