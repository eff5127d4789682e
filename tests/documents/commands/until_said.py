"""Runs a command that tells what happens until it is interrupted: things happen until it has told one.

Called in the folder of a running system: `python -m tests.documents.commands.until_said COMMAND...`; ends
with 1 if the command ends by itself, or tells nothing.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import IO, Final

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from isthmus.cli.run_file import RunFile
from tests.waiting import PATIENCE

DATA: Final = Path(".isthmus")
PAUSE: Final = 2.0
"""Seconds that a command has to tell of something before the next thing happens."""

ENDS_WITHIN: Final = 0.5
"""Seconds within which a command has ended that has nothing more to tell."""


def something_happens() -> None:
    """Send a study to the inbox, and call an AE title that nobody has, which is refused."""
    ds = dcmread(str(get_testdata_file("CT_small.dcm")))
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = (generate_uid() for _ in range(3))
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
        ds.save_as(file.name)
        isthmus = str(shutil.which("isthmus"))
        subprocess.run([isthmus, "store", "inbox", file.name], check=True, stdout=subprocess.DEVNULL)
    scp = RunFile.read(DATA).scp
    subprocess.run(
        ["echoscu", "-aec", "NOBODY", scp.host, str(scp.port)], check=False, stderr=subprocess.DEVNULL
    )


def told(out: IO[str], first: Event, lines: list[str]) -> None:
    """Read what is told, to its end."""
    for line in out:
        lines.append(line)
        first.set()


def _goes_on(process: subprocess.Popen[str]) -> bool:
    try:
        process.wait(ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        return True
    return False


def main(command: list[str]) -> int:
    """Run the command until it has told something."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first, lines = Event(), list[str]()
        reader = Thread(target=told, args=(process.stdout, first, lines))
        reader.start()
        deadline = monotonic() + PATIENCE
        while not first.wait(PAUSE) and process.poll() is None and monotonic() < deadline:
            something_happens()
        goes_on = _goes_on(process)
        process.send_signal(signal.SIGINT)
        code = process.wait()
        reader.join()
    sys.stdout.writelines(lines)
    return 0 if first.is_set() and goes_on and code in (0, 1, 130) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
