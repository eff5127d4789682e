"""DCMTK's clients, as a workstation or modality would use them."""

import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pydicom

from tests.peers.dcmtk import ENVIRONMENT, MAX_PDU
from tests.peers.process import Peer

Keys = Mapping[str, str]
"""Matching and return keys by keyword; Query/Retrieve Level (0008,0052) is one of them."""

TIMEOUT_SECONDS: Final = 120


class Outcome(NamedTuple):
    """How a client ended."""

    code: int
    """0 where the client was content; what content means is up to each client."""
    log: str
    """What it said, with the statuses that it got."""


def echoscu(
    peer: Peer,
    *,
    calling: str = "ECHOSCU",
    timeout_seconds: int = TIMEOUT_SECONDS,
    tls: Sequence[str] = (),
) -> Outcome:
    """C-ECHO (PS3.7 9.1.5).

    Args:
        peer: whom to ask.
        calling: our AE title.
        timeout_seconds: how long to wait for the response.
        tls: its options for that.
    """
    options = ["--verbose", "--dimse-timeout", str(timeout_seconds), *tls]
    return _run("echoscu", peer, calling, options=options)


def storescu(
    peer: Peer, files: Iterable[Path], *, calling: str = "STORESCU", tls: Sequence[str] = ()
) -> Outcome:
    """C-STORE of uncompressed instances; goes on after a failure."""
    options = ["--verbose", "--no-halt", "--max-pdu", str(MAX_PDU), *tls]
    return _run("storescu", peer, calling, options=options, arguments=[str(file) for file in files])


def findscu(peer: Peer, keys: Keys, *, calling: str = "FINDSCU") -> list[pydicom.Dataset]:
    """C-FIND in the Study Root model (PS3.4 C.6.2).

    Returns:
        The matches, in the order in which they came.

    Raises:
        AssertionError: the final status was not Success.
    """
    with tempfile.TemporaryDirectory() as directory:
        options = ["--study", "--verbose", *_keys(keys), "--extract", "--output-directory", directory]
        outcome = _run("findscu", peer, calling, options=options)
        # It ends with 0 whatever the status is.
        assert "Final Find Response (Success)" in outcome.log, outcome.log
        return [pydicom.dcmread(file) for file in sorted(Path(directory).iterdir())]


def movescu(
    peer: Peer, destination: str, keys: Keys, *, calling: str = "MOVESCU", cancel_after: int | None = None
) -> Outcome:
    """C-MOVE in the Study Root model to an AE title that the peer knows.

    Args:
        peer: the PACS.
        destination: the AE title to which it shall send.
        keys: what to send.
        calling: our AE title.
        cancel_after: send C-CANCEL after so many responses.
    """
    options = ["--study", "--debug", *_keys(keys), "--move", destination]
    if cancel_after is not None:
        options += ["--cancel", str(cancel_after)]
    return _run("movescu", peer, calling, options=options)


def getscu(peer: Peer, directory: Path, keys: Keys, *, calling: str = "GETSCU") -> Outcome:
    """C-GET of uncompressed instances in the Study Root model; every byte is kept as it came.

    Args:
        peer: the PACS.
        directory: takes the instances.
        keys: what to get.
        calling: our AE title.
    """
    options = ["--study", "--verbose", *_keys(keys), "--bit-preserving", "--max-pdu", str(MAX_PDU)]
    return _run("getscu", peer, calling, options=[*options, "--output-directory", str(directory)])


def _keys(keys: Keys) -> list[str]:
    return [part for keyword, value in keys.items() for part in ("--key", f"{keyword}={value}")]


def _run(
    program: str, peer: Peer, calling: str, *, options: Iterable[str], arguments: Iterable[str] = ()
) -> Outcome:
    command = [program, *options, "--aetitle", calling, "--call", peer.ae_title, peer.host, str(peer.port)]
    ended = subprocess.run(
        [*command, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
        env={**os.environ, **ENVIRONMENT},
    )
    return Outcome(ended.returncode, (ended.stdout + ended.stderr).decode(errors="replace"))
