"""Fuzz the parsers: see the package."""

import argparse
import json
import os
import select
import sys
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import atheris

from tests.fuzz.running import Enough, Fork, Result, fork, scratch
from tests.fuzz.targets import Target, names, target_of

MOST_GROWN_KB = 1024
"""What the same 256 inputs may add to the process, given seven times more: 600 bytes for each."""


def main() -> int:
    """Run what the command line says; 1: something was found."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(names()))
    options.add_argument(
        "--seconds", type=float, help="for each, from its first input on; 10 if nothing else is said"
    )
    options.add_argument("--inputs", type=int, help="for each")
    options.add_argument("--least", type=int, default=0, help="inputs for each, though the seconds are over")
    options.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at once")
    options.add_argument(
        "--seed", type=int, default=0, help="of the random numbers, to have the same ones again"
    )
    options.add_argument("--json", action="store_true", help="print a line of JSON for each")
    options.add_argument("--nice", type=int, default=0, help="by how much whatever else runs goes first")
    asked = options.parse_args()
    seconds = 10.0 if asked.seconds is None and asked.inputs is None else asked.seconds
    enough = Enough(asked.inputs, seconds, asked.least)
    warnings.simplefilter("ignore")
    with quiet(), atheris.instrument_imports(include=["isthmus"]):
        targets = [target_of(name) for name in asked.targets or names()]
    os.nice(asked.nice)  # not before: what is imported and instrumented once is waited for by all
    failed = False
    if not asked.json:
        _say(f"{'parser':<22}{'inputs':>9}{'s':>7}{'slowest ms':>12}{'grown KB':>10}{'peak MB':>9}")
    for result in run(targets, enough, jobs=asked.jobs, seed=asked.seed):
        failed = failed or is_failure(result)
        _say(json.dumps(asdict(result)) if asked.json else _line(result))
    return int(failed)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep atheris from naming each module that it instruments."""
    said = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(said, 2)
        os.close(said)


def is_failure(result: Result) -> bool:
    """Tell whether a run has found something."""
    return bool(result.crash) or (result.grown_kb or 0) > MOST_GROWN_KB


def run(targets: Sequence[Target], enough: Enough, *, jobs: int, seed: int) -> Iterator[Result]:
    """Run targets, some at once, and give what comes of each when it is over."""
    waiting = deque(targets)
    with scratch() as directory:
        running: list[Fork] = []
        while waiting or running:
            while waiting and len(running) < jobs:
                target = waiting.popleft()
                folder = Path(directory, target.name)
                folder.mkdir()
                running.append(fork(target, enough, folder, seed))
            over, _, _ = select.select([one.answer for one in running], [], [])
            for one in [one for one in running if one.answer in over]:
                running.remove(one)
                yield one.result()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _line(result: Result) -> str:
    line = (
        f"{result.name:<22}{result.inputs:>9}{result.seconds:>7}{result.slowest_ms:>12}"
        f"{'' if result.grown_kb is None else result.grown_kb:>10}{result.peak_mb:>9}"
    )
    return f"{line}\n  {result.crash}\n  input: {result.crashing}" if result.crash else line


if __name__ == "__main__":
    sys.exit(main())
