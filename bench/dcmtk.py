"""DCMTK's clients, as they are timed: from the start of the program to its end."""

import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.contestants import TIMEOUT_SECONDS, ContestantFailed
from tests.peers import Peer

_CALLING: Final = "BENCH"


def findscu(pacs: Peer, keys: Mapping[str, str], matches: int) -> float:
    """Search for studies in the Study Root model, and look at each answer: the seconds.

    Raises:
        ContestantFailed: other matches came than those many.
    """
    options = ["-v", "-S", *_keys("STUDY", keys)]
    seconds, log = _run("findscu", pacs, options)
    found = len(re.findall(r"Find Response: \d+ \(Pending\)", log))
    if found != matches or "Final Find Response (Success)" not in log:
        raise ContestantFailed(f"findscu: {found} of {matches} matches")
    return seconds


def movescu(pacs: Peer, destination: str, study: str, instances: int) -> float:
    """Have a study sent in the Study Root model: the seconds.

    Raises:
        ContestantFailed: fewer instances arrived, or the status was not Success.
    """
    options = ["-d", "-S", "-aem", destination, *_keys("STUDY", {"StudyInstanceUID": study})]
    seconds, log = _run("movescu", pacs, options)
    _, _, final = log.rpartition("Received Final Move Response")
    if f"Completed Suboperations       : {instances}\n" not in final or "0x0000: Success" not in final:
        raise ContestantFailed(f"movescu: {' '.join(re.findall('(?:Completed|Failed|Status).*', final))}")
    return seconds


def storescu(pacs: Peer, files: Sequence[Path], *, no_delay: bool) -> float:
    """Store files, with or without TCP_NODELAY in its environment: the seconds.

    Raises:
        ContestantFailed: it was not content.
    """
    return _run("storescu", pacs, [], files, no_delay=no_delay)[0]


def _keys(level: str, keys: Mapping[str, str]) -> list[str]:
    wanted = {"QueryRetrieveLevel": level, **keys}
    return [part for keyword, value in wanted.items() for part in ("-k", f"{keyword}={value}")]


def _run(
    program: str, pacs: Peer, options: Sequence[str], files: Sequence[Path] = (), *, no_delay: bool = True
) -> tuple[float, str]:
    environment = {name: value for name, value in os.environ.items() if name != "TCP_NODELAY"}
    if no_delay:
        environment["TCP_NODELAY"] = "1"
    command = [program, *options, "-aet", _CALLING, "-aec", pacs.ae_title, pacs.host, str(pacs.port)]
    started = time.perf_counter()
    ended = subprocess.run(
        [*command, *map(str, files)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    seconds = time.perf_counter() - started
    if ended.returncode:
        raise ContestantFailed(f"{program} ended with {ended.returncode}")
    return seconds, ended.stdout.decode(errors="replace")
