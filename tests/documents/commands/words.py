"""What documents write for something of the reader's, and where commands of theirs are run otherwise."""

import re
from collections.abc import Mapping
from typing import Final

DRY: Final = frozenset({"install", "test", "fuzz", "bench", "docs", "site", "lint", "format", "lock"})
"""Targets of make that install, take long, or run what runs this: make tells that it knows how."""

ELSEWHERE: Final[Mapping[str, str]] = {
    "make up": "tests/documents/test_start.py",
    "make viewer": "tests/system/test_ohif.py",  # by `isthmus viewer`, of which the target is made
    ".venv/bin/pytest tests/pacs/test_pacs.py": "tests/pacs/test_pacs.py",
    ".venv/bin/pytest tests/system/conformance": "tests/system/conformance/README.md",
}
"""Commands that some test runs already, with where."""

ALONE: Final[Mapping[str, str]] = {
    "docs/start.md": "tests/documents/test_start.py",
    "docs/connect/orthanc.md": "tests/documents/test_orthanc_page.py",
}
"""Pages whose commands take a system of their own, with the test that runs them from first to last."""

NEEDED: Final[Mapping[str, tuple[str, str]]] = {
    "a container engine": (r"\b(docker|podman)\b|^cd ", r"container engine|Docker|Podman"),
    "a cluster": (r"\b(kubectl|helm|docker)\b|\$EDITOR|^cd ", r"Kubernetes|cluster"),
    "the nats program": (r"\bnats\b", r"nats"),
    "MinIO's client": (r"\bmc\b", r"`mc`"),
}
"""What the machine of the tests may lack: by which programs one knows such commands, and how pages say so.

The mark of a block is one of these, so that none is put before commands that could be run.
"""

ENDLESS: Final = re.compile(r"\bisthmus events\b(?!.*--no-follow)|\s--follow\b|\s--watch\b")
"""Commands that tell what happens until they are interrupted."""

JUDGES: Final = re.compile(r"^(\.venv/bin/)?isthmus (status|doctor)\b(?!.*--watch)[^|;&]*$")
"""Commands that end with 1 where they find something wrong, as they do in the system of the documents."""

GATEWAY: Final = "http://127.0.0.1:8080"
"""Where documents have the gateway."""
SCP: Final = "127.0.0.1 11112"
"""And scp, as DCMTK's programs are told."""


def without_comment(line: str) -> str:
    """Give a command without what it is told to be for."""
    return re.sub(r"(^|\s)\s*# .*$", "", line).rstrip()


def replaced(text: str, given: Mapping[str, str]) -> str:
    """Write what is the reader's for what the page has in its place: a word in capitals, an address."""
    for name, value in given.items():
        before = r"(?<![\w={])" if name.isupper() else r"(?<!\w)"
        after = r"(?![\w}])"
        text = re.sub(before + re.escape(name) + after, value.replace("\\", r"\\"), text)
    return text
