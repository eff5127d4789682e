"""The client programs of DCMTK and pynetdicom, run as a user would: what each got, in the same form.

Both log each DIMSE message when asked with `-d`, in nearly the same words, and share most of their options.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from tests.inverse.pynetdicom_programs import TIMEOUT_SECONDS, PynetdicomPrograms
from tests.peers import Peer
from tests.peers.dcmtk import ENVIRONMENT

PENDING: Final = frozenset({0xFF00, 0xFF01})


class Toolkit(StrEnum):
    """Whose program it is."""

    DCMTK = "dcmtk"
    PYNETDICOM = "pynetdicom"


_OWN: Final[Mapping[tuple[Toolkit, str], Sequence[str]]] = {
    (Toolkit.DCMTK, "findscu"): ("-X",),  # a file for each answer
    (Toolkit.PYNETDICOM, "findscu"): ("-w",),
    (Toolkit.DCMTK, "getscu"): ("+B",),  # every bit as it came
    (Toolkit.DCMTK, "storescu"): ("-R", "-nh"),  # go on after a failure
    (Toolkit.PYNETDICOM, "storescu"): ("-cx",),
}
"""The options that the toolkits do not share, so that their programs do the same."""


class Model(StrEnum):
    """The Query/Retrieve Information Model (PS3.4 C.3), as the option of both toolkits."""

    PATIENT_ROOT = "-P"
    STUDY_ROOT = "-S"


@dataclass(frozen=True)
class Response:
    """A DIMSE response as the client's log shows it; None for what it did not say."""

    command: str
    status: int
    sop_instance_uid: str = ""
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code, the responses that it got, and the files that it wrote."""

    code: int
    responses: tuple[Response, ...]
    files: tuple[bytes, ...]
    log: str

    def of(self, command: str) -> list[Response]:
        """The responses to one kind of request, such as C-FIND."""
        return [response for response in self.responses if response.command == command]

    def status(self, command: str) -> int | None:
        """The status of the last response to this kind of request; None where nothing but Pending came."""
        final = self._final(command)
        return final.status if final else None

    def counters(self, command: str) -> tuple[int, ...]:
        """Completed, Failed and Warning Sub-operations by the last response; 0 where it does not tell."""
        final = self._final(command)
        return (final.completed or 0, final.failed or 0, final.warning or 0) if final else ()

    def announced(self, command: str) -> set[int]:
        """How many sub-operations there are in all, by each of the responses that tell how many remain."""
        return {
            response.remaining + (response.completed or 0) + (response.failed or 0) + (response.warning or 0)
            for response in self.of(command)
            if response.status in PENDING and response.remaining is not None
        }

    def _final(self, command: str) -> Response | None:
        responses = self.of(command)
        return responses[-1] if responses and responses[-1].status not in PENDING else None


class Programs:
    """Runs the programs of both toolkits.

    Args:
        pynetdicom: runs pynetdicom's.
    """

    def __init__(self, pynetdicom: PynetdicomPrograms) -> None:
        self._pynetdicom = pynetdicom

    def run(
        self,
        toolkit: Toolkit,
        program: str,
        peer: Peer,
        options: Iterable[str] = (),
        files: Iterable[Path] = (),
    ) -> Ended:
        """Run a program against a peer, to its end.

        Args:
            toolkit: whose program it is.
            program: its name, such as `findscu`.
            peer: whom it calls.
            options: such as both toolkits know.
            files: what it stores.
        """
        # The address stands before the last options in the help of both; both take it after all of them.
        address = ["-aet", program.upper(), "-aec", peer.ae_title, peer.host, str(peer.port)]
        command = [program, "-d", *_OWN.get((toolkit, program), ()), *options, *address, *map(str, files)]
        with tempfile.TemporaryDirectory() as directory:
            folder, log = Path(directory, "folder"), Path(directory, "log")
            folder.mkdir()
            run = _run_dcmtk if toolkit is Toolkit.DCMTK else self._pynetdicom.run
            code = run(command, folder, log)
            said = log.read_text(errors="replace")
            written = tuple(file.read_bytes() for file in sorted(folder.iterdir()))
        return Ended(code, tuple(_responses(said)), written, said)


def _run_dcmtk(command: Sequence[str], folder: Path, log: Path) -> int:
    with log.open("wb") as output:
        return subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=TIMEOUT_SECONDS,
            env={**os.environ, **ENVIRONMENT},
        ).returncode


def keys(wanted: Mapping[str, str]) -> list[str]:
    """Write matching and return keys as options."""
    return [part for keyword, value in wanted.items() for part in ("-k", f"{keyword}={value}")]


_MESSAGE: Final = re.compile(r"INCOMING DIMSE MESSAGE(.*?)END DIMSE MESSAGE", re.DOTALL)
_ECHOED: Final = re.compile(r"Received Echo Response \((?:Status: 0x)?([0-9A-F]{4}|Success)")
_COMMAND: Final = re.compile(r"Message Type\s*: (C-[A-Z]+) RSP")
_INSTANCE: Final = re.compile(r"Affected SOP Instance UID\s*: (\S+)")
_STATUS: Final = re.compile(r"Status\s*: 0x([0-9a-fA-F]{4})")


_RESULT: Final = re.compile(r"(Find|Get|Move) SCP Result: 0x([0-9A-F]{4})")


def _responses(log: str) -> Iterable[Response]:
    shown = list(_messages(log))
    yield from shown
    for verb, status in _RESULT.findall(log):  # pynetdicom does not show every failure as a message
        if all(response.status in PENDING for response in shown):
            yield Response(f"C-{verb.upper()}", int(status, 16))
    for status in _ECHOED.findall(log):  # the one response that neither shows as a message
        yield Response("C-ECHO", 0 if status == "Success" else int(status, 16))


def _messages(log: str) -> Iterable[Response]:
    for message in _MESSAGE.findall(log):
        command, status = _COMMAND.search(message), _STATUS.search(message)
        if command and status:
            counters = (_counter(message, name) for name in ("Remaining", "Completed", "Failed", "Warning"))
            instance = _INSTANCE.search(message)
            uid = instance[1] if instance else ""
            yield Response(command[1], int(status[1], 16), uid, *counters)


def _counter(message: str, name: str) -> int | None:
    found = re.search(rf"{name} Sub-?operations\s*: (\d+)", message)
    return int(found[1]) if found else None
