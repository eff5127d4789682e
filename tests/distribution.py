"""How `make test` deals out the files: those that need the same running system go to one process.

A fixture of the session is made in every process that needs it. Most cost a second or two, but some start a
whole system and the PACS before it: with each file for whoever is free, each process would start all of them.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Protocol, runtime_checkable

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # xdist has no type information

SYSTEM: Final = "tests/system/"

TOGETHER: Final[Mapping[str, tuple[str, ...]]] = {
    "gateway": (
        "tests/system/conformance/",
        "tests/system/test_all_origins.py",
        "tests/system/test_audit.py",
        "tests/system/test_bad_payloads.py",
        "tests/system/test_bad_requests.py",
        "tests/system/test_clients.py",
        "tests/system/test_corpus.py",
        "tests/system/test_doctor.py",
        "tests/system/test_faults.py",
        "tests/system/test_origins_away.py",
        "tests/system/test_privacy.py",
        "tests/system/test_stow.py",
        "tests/system/test_trace.py",
    ),
    "faults": ("tests/system/faults/",),
    "bench": ("tests/bench/",),
    "inverse": ("tests/inverse/",),
    "demo": (
        "tests/system/test_ohif.py",
        "tests/system/test_status.py",
        "tests/system/test_up.py",
    ),
    "inboxes": (
        "tests/system/test_arrivals.py",
        "tests/system/test_bucket.py",
        "tests/system/test_hostile.py",
        "tests/system/test_inbox.py",
        "tests/system/test_metrics.py",
        "tests/system/test_openapi.py",
        "tests/system/test_prometheus.py",
    ),
    "documents": ("tests/documents/test_commands.py",),
}
"""How the paths of files begin that go together, by a name; what takes longest comes first."""

SHARED: Final[Mapping[str, str]] = {
    "gateway": "gateway",
    "faulty_gateway": "gateway",
    "inboxes": "inboxes",
    "start_demo": "demo",
    "_running": "faults",
}
"""The fixtures that start a system for the session, and where the files go that use them."""


class FilesTogether(LoadFileScheduling):  # type: ignore[misc]  # likewise
    """Deals out files, and what goes together as if it were one file."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid) or nodeid.partition("::")[0]


def group(nodeid: str) -> str | None:
    """Give the name of what a test goes together with; None: its own file only."""
    return next((name for name, paths in TOGETHER.items() if nodeid.startswith(paths)), None)


def long_ones_first(items: list[pytest.Item]) -> None:
    """Move the tests that go together to the front, so that nobody waits for them at the end."""
    order = {name: place for place, name in enumerate(TOGETHER)}
    items.sort(key=lambda item: order.get(group(item.nodeid) or "", len(order)))


@runtime_checkable
class Used(Protocol):
    """A test, as far as is known before it runs: `pytest.Function` is one."""

    @property
    def nodeid(self) -> str:
        """The path of its file, and its name."""
        ...

    @property
    def fixturenames(self) -> list[str]:
        """What it uses, itself or by others."""
        ...


def strays(tests: Iterable[Used]) -> set[str]:
    """Give the files that use a shared system, and are not named with the others that do."""
    return {
        test.nodeid.partition("::")[0]
        for test in tests
        if test.nodeid.startswith(SYSTEM)  # elsewhere the names mean something else
        for fixture in test.fixturenames
        if SHARED.get(fixture, group(test.nodeid)) != group(test.nodeid)
    }
