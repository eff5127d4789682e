"""Commands of the pages, run as a reader runs them."""

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

SECONDS = 60


def run_example(
    commands: str, folder: Path, environment: Mapping[str, str], *, has_programs: Callable[[Path], bool]
) -> str:
    """Run the commands of an example, each of which has to do it, and give all that they say.

    Args:
        commands: as the page has them.
        folder: where they are run.
        environment: variables; but for PATH.
        has_programs: tells of a folder of PATH whether its programs are the reader's: beside ours there are
            pynetdicom's, which have the names of DCMTK's.
    """
    programs = [one for one in os.environ["PATH"].split(":") if has_programs(Path(one))]
    ended = subprocess.run(
        ["/bin/sh", "-e", "-c", commands],
        cwd=folder,
        env={**environment, "PATH": ":".join(programs)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS,
        check=False,
    )
    said = ended.stdout.decode(errors="replace")
    assert ended.returncode == 0, said
    return said
