"""What the documents point at is there, and what they should tell is told."""

import inspect
import re
from pathlib import Path
from typing import Final

import pytest

from isthmus.common.bus import subjects
from isthmus.common.config.load import load_settings
from isthmus.common.config.quirks import Quirk
from isthmus.common.dimse import Operation, status_of_http
from isthmus.scp.provider import SERVED
from tests.documents import telemetry_page
from tests.documents.conformance import STATEMENT, statement
from tests.documents.dimse_services import (
    ANSWERED,
    FIND_STATUSES,
    RETRIEVE_STATUSES,
    STORE_STATUSES,
)
from tests.documents.settings_page import PAGE, page, undescribed, without_a_table

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)
LINK: Final = re.compile(r"\]\(([^)\s:]+)\)")
"""Those to a place of this repository."""


def anchors(document: Path) -> set[str]:
    """Give the anchors that its headings have (as GitHub makes them)."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    for link in LINK.findall(document.read_text()):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_quirk_is_explained() -> None:
    told = (ROOT / "docs" / "quirks.md").read_text()
    assert [quirk for quirk in Quirk if f"| [`{quirk}`](#" not in told] == []


def test_every_subject_of_the_bus_is_told() -> None:
    told = set(re.findall(r"`dicom\.(\w+)\.", (ROOT / "libs" / "common" / "README.md").read_text()))
    functions = [
        one
        for name, one in inspect.getmembers(subjects, inspect.isfunction)
        if one.__module__ == subjects.__name__ and not name.startswith("_")
    ]
    named = [one(*("x" for _ in inspect.signature(one).parameters)) for one in functions]
    assert {subject.split(".")[1] for subject in named} == told


def test_the_conformance_statement_says_what_the_tables_say() -> None:
    assert STATEMENT.read_text() == statement(), "make docs writes it anew"


def test_the_conformance_statement_names_every_sop_class_that_scp_serves() -> None:
    assert [uid for uid in SERVED if f"| {uid} |" not in statement()] == []


@pytest.mark.parametrize(
    ("operation", "table"),
    [
        (Operation.C_FIND, FIND_STATUSES),
        (Operation.C_STORE, STORE_STATUSES),
        (Operation.C_MOVE, RETRIEVE_STATUSES),
        (Operation.C_GET, RETRIEVE_STATUSES),
    ],
)
def test_each_status_that_comes_of_an_origin_is_explained(
    operation: Operation, table: tuple[tuple[int, str], ...]
) -> None:
    assert {status_of_http(answered, operation) for answered in ANSWERED} <= {status for status, _ in table}


def test_the_page_of_settings_says_what_the_models_say_and_of_each_of_them() -> None:
    assert (without_a_table(), undescribed()) == ([], [])
    assert PAGE.read_text() == page(), "make docs writes it anew"


def test_the_page_of_telemetry_has_the_tables_that_the_code_makes() -> None:
    written = telemetry_page.PAGE.read_text()
    assert telemetry_page.places(written) == [*telemetry_page.TABLES]
    assert written == telemetry_page.page(written), "make docs writes it anew"


def test_the_example_of_settings_is_settings(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```toml\n(.+?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "isthmus.toml").write_text(example)
    read = load_settings(tmp_path / "isthmus.toml")
    assert ([inbox.name for inbox in read.inboxes], len(read.dimse_origins)) == (["inbox"], 2)
    assert (len(read.scp.callers), len(read.access.rules), len(read.arrivals.forward)) == (1, 2, 2)
