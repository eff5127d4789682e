"""Whether a system's logs and traces say anything of the patients of the corpus."""

import json
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pydicom

from tests.system.gateway import Gateway

SHORTEST: Final = 7
"""Shorter values, and those without a letter, may be there by chance."""


def patient_data(files: Iterable[Path]) -> set[str]:
    """Give the Patient's Names, also their parts, and Patient IDs that mean nothing else."""
    found: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of files that break rules
        for file in files:
            ds = pydicom.dcmread(file, force=True, specific_tags=["PatientName", "PatientID"])
            name, patient_id = str(ds.get("PatientName", "")), str(ds.get("PatientID", ""))
            found |= {name, patient_id, *name.split("="), *name.replace("=", "^").split("^")}
    values = {value.strip() for value in found}
    return {value for value in values if len(value) >= SHORTEST and any(map(str.isalpha, value))}


def leaks(values: Iterable[str], system: Gateway) -> set[tuple[str, str]]:
    """Give what of these values is in which log or trace file."""
    # Most are the same in JSON, and looked for once: the files are large.
    spelled = [(value, {value, json.dumps(value)[1:-1]}) for value in values]
    return {
        (file.name, value)
        for file, text in texts(system).items()
        for value, spellings in spelled
        if any(spelling in text for spelling in spellings)
    }


def traces(system: Gateway) -> str:
    """Give all that is in the trace files."""
    return "".join(text for file, text in texts(system).items() if file.suffix == ".jsonl")


def texts(system: Gateway) -> dict[Path, str]:
    """Read the log, and all of the data folder but what NATS and S3 hold."""
    folders = [folder for folder in system.data.iterdir() if folder.name not in {"nats", "s3"}]
    files = [file for folder in folders for file in [folder, *folder.rglob("*")] if file.is_file()]
    return {file: file.read_text(errors="replace") for file in [system.log, *files]}
