"""Running one target: in a fork of the process that has imported them all, instrumented, with libFuzzer.

The time counts from the first input, since to import and to instrument costs more than a second once. What
ends a run is said by the fork over a pipe; where it says nothing, libFuzzer has ended it: an input took too
long or too much memory, or a library crashed.
"""

import gc
import json
import os
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import atheris

from tests.fuzz.targets import Target

LONGEST_INPUT: Final = 8192
"""Bytes. All of them in seeds are shorter."""
TOO_SLOW_SECONDS: Final = 60
"""For one input, by the clock: others are at work on the machine."""
TOO_LARGE_MB: Final = 1024
_KEPT: Final = 256
_ROUNDS: Final = 12
_WARM: Final = 4
"""Rounds until every cache is full."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run."""

    name: str
    inputs: int
    seconds: float
    """Since the first input."""
    slowest_ms: float
    """Processor time of the one input that took most."""
    grown_kb: int | None
    """What the same inputs made the process grow, given again and again; None: that was not measured."""
    peak_mb: int
    crash: str = ""
    """The error and where it is from; empty: there was none."""
    crashing: str = ""
    """The input, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Enough:
    """When a run ends."""

    inputs: int | None = None
    """After so many."""
    seconds: float | None = None
    """After so many of the clock, from the first input on."""
    least: int = 0
    """Inputs that it takes in any case, however long."""

    def reached(self, inputs: int, seconds: float) -> bool:
        """Tell whether it is enough."""
        is_late = self.seconds is not None and seconds >= self.seconds
        return inputs == self.inputs or (is_late and inputs >= self.least)


class _Run:
    """Counts the inputs of a target, and ends the process when it is enough."""

    def __init__(self, target: Target, enough: Enough, answer: int) -> None:
        self._target = target
        self._enough = enough
        self._answer = answer
        self._parent = os.getppid()
        self._inputs = 0
        self._slowest = 0.0
        self._begun = 0.0
        self._kept: list[bytes] = []

    def one(self, data: bytes) -> None:
        """Give the parser an input, as libFuzzer calls it."""
        if not self._inputs:
            self._begun = time.monotonic()
        if self._inputs % 256 == 0 and os.getppid() != self._parent:
            os._exit(1)  # nobody waits for it any more
        self._inputs += 1
        before = time.process_time()
        try:
            self._target.run(data)
        except Exception as error:  # noqa: BLE001 - whatever a parser raises that it should not
            self._end(_described(error), data)
        self._slowest = max(self._slowest, time.process_time() - before)
        if len(self._kept) < _KEPT:
            self._kept.append(data)
        elif self._inputs % 64 == 0:
            self._kept[self._inputs // 64 % _KEPT] = data
        if self._enough.reached(self._inputs, time.monotonic() - self._begun):
            self._end("", b"")

    def _end(self, crash: str, data: bytes) -> None:
        seconds = time.monotonic() - self._begun
        grown = None if crash or self._enough.inputs is None else self._grown()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        result = Result(
            self._target.name,
            self._inputs,
            round(seconds, 1),
            round(self._slowest * 1000, 1),
            grown,
            peak,
            crash,
            data.hex(),
        )
        os.write(self._answer, json.dumps(asdict(result)).encode())
        os._exit(0)

    def _grown(self) -> int:
        sizes = []
        for _ in range(_ROUNDS):
            for data in self._kept:
                self._target.run(data)
            gc.collect()
            sizes.append(_resident_kb())
        return sizes[-1] - sizes[_WARM]


def fork(target: Target, enough: Enough, directory: Path, seed: int) -> "Fork":
    """Begin to run a target.

    Args:
        target: what is run.
        enough: when it ends.
        directory: takes its corpus, and what libFuzzer says.
        seed: of libFuzzer's random numbers; 0: it chooses one.
    """
    read, write = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        os.close(write)
        return Fork(target.name, pid, read, directory)
    os.close(read)
    _guarded(lambda: _fuzz(_Run(target, enough, write), target, directory, seed))
    raise AssertionError("libFuzzer never returns")


@dataclass(frozen=True, slots=True)
class Fork:
    """A run."""

    name: str
    pid: int
    answer: int
    directory: Path

    def result(self) -> Result:
        """Give what came of it, when it is over."""
        said = b""
        while piece := os.read(self.answer, 65536):
            said += piece
        os.close(self.answer)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if said:
            return Result(**json.loads(said))
        log = (self.directory / "log").read_text(errors="replace").splitlines()[-15:]
        found = [file.read_bytes().hex() for file in sorted(self.directory.glob("found-*"))]
        ended = f"ended by itself ({code}): {' | '.join(log)}"
        return Result(self.name, 0, 0, 0, None, 0, ended, found[0] if found else "")


def _guarded(run: Callable[[], None]) -> None:
    """Never return into what was forked."""
    try:
        run()
    except BaseException:  # noqa: BLE001 - the fork ends here, whatever happens
        traceback.print_exc()
    os._exit(1)


def _fuzz(run: _Run, target: Target, directory: Path, seed: int) -> None:
    corpus = directory / "corpus"
    corpus.mkdir(parents=True)
    log = os.open(directory / "log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for number, content in enumerate(target.seeds()):
        if len(content) > LONGEST_INPUT:
            raise ValueError(f"seed {number} of {target.name} has {len(content)} bytes")
        (corpus / f"{number:04}").write_bytes(content)
    options = [
        f"-max_len={LONGEST_INPUT}",
        f"-timeout={TOO_SLOW_SECONDS}",
        f"-rss_limit_mb={TOO_LARGE_MB}",
        f"-artifact_prefix={directory}/found-",
        f"-seed={seed}",
        "-print_final_stats=0",
        "-verbosity=0",
    ]
    if target.words:
        dictionary = directory / "words"
        dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
        options.append(f"-dict={dictionary}")
    atheris.Setup(["fuzz", *options, str(corpus)], run.one)
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02X}" for byte in word)


def _described(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    places = " < ".join(f"{Path(one.filename).name}:{one.lineno} {one.name}" for one in reversed(frames))
    return f"{type(error).__name__}: {error} ({places})"


def _resident_kb() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


def scratch() -> "tempfile.TemporaryDirectory[str]":
    """Give a folder for corpora, which goes with its end."""
    return tempfile.TemporaryDirectory(prefix="isthmus-fuzz-")
