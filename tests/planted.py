"""What tests plant, secrets and patients: nothing of it may be in a log, a trace or an error of the run.

Each test fails that leaves something of it in its output or in an error of ours; and the run does, of whose
systems a log or trace file has something of it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_urlsafe
from typing import Final

import pytest

from isthmus.common.errors import IsthmusError

NAME: Final = "Implanted^Müller"
"""The Patient's Name of made data sets begins so."""
PATIENT_ID: Final = "IMPLANTED-"
"""So does the Patient ID."""
OTHER_PATIENTS: Final = ("Nobody^Secret", "Nobody^Geheim", "Pictured^Paula", "Doe^Archibald")
_MARK: Final = "planted-secret-"
_SPELLINGS: Final = re.compile(
    "|".join(map(re.escape, (_MARK, "Implanted^M", "Implanted%5EM", PATIENT_ID, *OTHER_PATIENTS))),
    re.IGNORECASE,
)
_OUR_LOGS: Final = ("up.log", "scp.log", "gateway.log", "nats.log", "s3.log")
"""Names of files; those of PACS and of tools may name patients."""
_registered: set[str] = set()
"""Secrets that others made: passwords, tokens, keys."""
_errors: list[str] = []
"""Where the text of an error of ours had something of it, since this was asked for last."""
told: list[str] = []
"""What tests told, and where: a second run of the same test may be silent, and forgives none of it."""


def secret(what: str = "") -> str:
    """Make a secret of some 50 characters that is known wherever it turns up."""
    return f"{_MARK}{what}{token_urlsafe(24)}"


def plant(value: str) -> str:
    """Have a secret watched for that was made elsewhere, and give it back."""
    if len(value) >= 8:
        _registered.add(value)
    return value


def found_in(text: str) -> set[str]:
    """Give what of all that is planted is in a text."""
    return {match.group() for match in _SPELLINGS.finditer(text)} | {
        one for one in _registered if one in text
    }


@contextmanager
def watching_errors() -> Iterator[None]:
    """Look into each error of ours that is made meanwhile."""
    make = IsthmusError.__init__

    def watched(self: IsthmusError, detail: str) -> None:
        make(self, detail)
        if found_in(detail):
            _errors.append(f"{type(self).__name__}: {detail}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(IsthmusError, "__init__", watched)
        yield


def errors_since() -> list[str]:
    """Give the errors that had something of it, and forget them."""
    told = [*_errors]
    _errors.clear()
    return told


def found_in_files(directory: Path) -> list[str]:
    """Give what is in the logs and traces of systems that ran below a directory."""
    patterns = (*_OUR_LOGS, "traces/*.jsonl")
    files = [file for pattern in patterns for file in directory.rglob(pattern)]
    return [
        f"{file.relative_to(directory)}: {sorted(found)}"
        for file in files
        if (found := found_in(file.read_text(errors="replace")))
    ]
