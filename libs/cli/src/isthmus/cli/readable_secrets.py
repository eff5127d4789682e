"""Files with secrets that everybody on this machine may read."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from isthmus.common.config import Settings

_PUBLIC: Final = frozenset({"ca_file", "client_ca_file", "certificate_file"})
"""Settings that name files of certificates: whoever connects is shown them."""


def readable_secrets(settings: Settings) -> Iterator[str]:
    """Say which files with secrets others than their user and group may read.

    They are taken all the same. Where secrets are mounted, to be read alone (`/run/secrets`), the mode is not
    for us to choose, and nothing is said.

    Yields:
        A sentence for each, with its key and what to do.
    """
    for key, path in _secret_files("", settings):
        try:
            mode, is_mounted = path.stat().st_mode, os.statvfs(path).f_flag & os.ST_RDONLY
        except OSError:  # of one that is not there, or not to be read, others have told
            continue
        if mode & stat.S_IROTH and not is_mounted:
            yield f"{key}: everybody on this machine may read {path}: chmod 600"


def _secret_files(key: str, value: object) -> Iterator[tuple[str, Path]]:
    """Find the files below a setting, with their keys as they are written."""
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            if name not in _PUBLIC:
                below = field.alias or name
                yield from _secret_files(f"{key}.{below}".lstrip("."), getattr(value, name))
    elif isinstance(value, tuple):
        for number, one in enumerate(value):
            yield from _secret_files(f"{key}[{number}]", one)
    elif isinstance(value, Path) and key.endswith("_file"):
        yield key, value
