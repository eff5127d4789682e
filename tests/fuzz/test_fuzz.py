"""Ten seconds at each parser; the numbers that count come from `make fuzz`.

By the clock, from the first input on, four at a time, and after everything else that is tested meanwhile: of
two processors that are busy a parser gets little, of idle ones all; but it goes on until it has had enough to
count. One process imports and instruments the modules, and is forked for each.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.fuzz.targets import names

ROOT: Final = Path(__file__).parents[2]
SECONDS: Final = 10
AT_ONCE: Final = 4
NICE: Final = 10
LEAST_INPUTS: Final = 100
"""Those to begin with among them: fewer, and nothing was tried."""


def fuzz(*arguments: str) -> list[dict[str, object]]:
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--json", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    results = [json.loads(line) for line in run.stdout.splitlines()]
    assert results, run.stderr
    return results


@pytest.fixture(scope="module")
def results() -> Mapping[str, dict[str, object]]:
    """What came of all of them; the numbers of chance are the same each time."""
    limits = ("--seconds", str(SECONDS), "--least", str(LEAST_INPUTS))
    found = fuzz(*limits, "--jobs", str(AT_ONCE), "--seed", "1", "--nice", str(NICE))
    return {str(result["name"]): result for result in found}


@pytest.mark.parametrize("name", names())
def test_a_parser_takes_whatever_comes(results: Mapping[str, dict[str, object]], name: str) -> None:
    result = results[name]
    assert not result["crash"], f"{result['crash']}: {result['crashing']}"
    assert int(str(result["inputs"])) >= LEAST_INPUTS


def test_a_parser_that_fails_is_found() -> None:
    (result,) = fuzz("--inputs", "100000", "tests.fuzz.broken")
    assert "ValueError: it is there" in str(result["crash"])
    assert "07" in str(result["crashing"])
