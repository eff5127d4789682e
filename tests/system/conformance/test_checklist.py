"""Each line of the checklist names tests that are there."""

import re
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parents[2]
NAMED: Final = re.findall(r"`(test_\w+)`", Path(__file__).with_name("README.md").read_text())
DEFINED: Final = frozenset(
    name
    for file in TESTS.rglob("test_*.py")
    for name in re.findall(r"^ *(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
)


def test_the_tests_that_the_checklist_names_are_there() -> None:
    assert set(NAMED) - DEFINED == set()
    assert len(set(NAMED)) > 100
