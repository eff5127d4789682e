"""Those whom nobody here wrote and who answer at a DICOMweb base URL."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from bench.contestants import ContestantFailed
from bench.site import Site
from bench.table import Section

T = TypeVar("T")


def taking_part(site: Site, section: Section, turn: Callable[[str], T]) -> dict[str, Callable[[], T]]:
    """Let each rival try once, and give the turns of those that did what was asked, by name.

    Args:
        site: knows the rivals.
        section: gets a note of each that did not.
        turn: what a rival at a base URL does in each round.
    """
    able: dict[str, Callable[[], T]] = {}
    for name, url in site.options.rivals.items():
        attempt = partial(turn, url.rstrip("/"))
        try:
            attempt()
        except ContestantFailed as reason:
            section.notes.append(f"{name} did not take part: {reason}.")
        else:
            able[name] = attempt
    return able
