"""Rounds: everybody has a turn in each, so that what drifts hits all alike."""

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


def alternate(rounds: int, turns: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Let all take their turns, each round beginning with another one.

    Returns:
        What each turn gave, in the order of the rounds.
    """
    names = list(turns)
    results: dict[str, list[T]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            results[name].append(turns[name]())
    return results
