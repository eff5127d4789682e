"""What the numbers were measured on."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from isthmus.cli.process import executable

_DISTRIBUTIONS: Final = ("pynetdicom", "pydicom", "minio", "nats-py", "uvicorn", "uvloop", "starlette")
_VERSION: Final = re.compile(r"\d+(\.\d+)+")


def describe() -> str:
    """Give the machine and the versions, a line each."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    programs = {name: _version_of(command) for name, command in _programs().items()}
    libraries = {name: version(name) for name in _DISTRIBUTIONS}
    versions = {"Python": platform.python_version(), **libraries, **programs}
    system = f"{platform.system()} {platform.release()}"
    return (
        f"- Machine: {os.cpu_count()} cores ({_cpu_model()}), {memory:.0f} GiB of memory, {system}\n"
        f"- Versions: {', '.join(f'{name} {v}' for name, v in versions.items())}\n"
    )


def _programs() -> Mapping[str, Sequence[str]]:
    return {
        "nats-server": [executable("nats-server"), "--version"],
        "SeaweedFS": [executable("weed"), "version"],
        "Caddy": [executable("caddy"), "version"],
        "Orthanc": [shutil.which("Orthanc") or "/usr/sbin/Orthanc", "--version"],
        "DCMTK": ["storescu", "--version"],
    }


def _version_of(command: Sequence[str]) -> str:
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    found = _VERSION.search(said.stdout + said.stderr)
    return found.group() if found else "?"


def _cpu_model() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found.group(1).strip() if found else platform.machine()
