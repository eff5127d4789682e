"""The document for scripts: its keys are those of docs/status.md, whatever is known."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import orjson

from isthmus.cli.status.document import document
from isthmus.cli.status.model import Answer, Health, Part, Status
from isthmus.cli.status.verdict import Kind, problems
from isthmus.common.bus.backlog import Queue
from tests.cli.status.samples import TROUBLED, WELL
from tests.documents.blocks import ROOT

PAGE: Final = (ROOT / "docs" / "status.md").read_text()
_ROW: Final = re.compile(r"^\| `([a-z_.\[\]]+)` \| (.+) \|$", re.MULTILINE)
DESCRIBED: Final[Mapping[str, str]] = dict(_ROW.findall(PAGE.partition("## The document")[2]))


def paths(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Give all that a document holds, with the keys that lead to it."""
    if isinstance(value, list):
        for one in value:
            yield from paths(one, f"{path}[]")
    elif isinstance(value, dict) and path != "unknown":
        if path and not path.endswith("[]"):
            yield path, value
        for key, one in value.items():
            yield from paths(one, f"{path}.{key}".lstrip("."))
    else:
        yield path, value


def found(*looks: Status) -> list[tuple[str, object]]:
    return [
        one
        for status in looks
        for one in paths(orjson.loads(orjson.dumps(document(status, problems(status)))))
    ]


NOT_TOLD = replace(
    WELL,
    origins=[],
    queues=[],
    storage=None,
    errors=None,
    unknown={Part.QUEUES: "no answer from NATS", Part.DEAD_LETTERS: "no answer from NATS"},
)


def test_every_key_is_described_and_every_key_that_is_described_is_there() -> None:
    there = {path for path, _ in found(WELL, TROUBLED, NOT_TOLD)}
    containers = {"scp", "cache", "services", "origins", "problems"}
    assert there - containers == set(DESCRIBED)


def test_what_may_be_null_says_so() -> None:
    nulls = {path for path, value in found(WELL, TROUBLED, NOT_TOLD) if value is None}
    assert nulls <= {path for path, text in DESCRIBED.items() if "null" in text}


def test_every_word_that_a_key_may_have_is_named() -> None:
    for path, words in (
        ("services[].health", Health),
        ("origins[].answer", Answer),
        ("queues[].queue", Queue),
    ):
        assert set(re.findall(r"`([a-z ]+)`", DESCRIBED[path])) == set(words)
    for kind in Kind:
        assert f"`{kind}`" in PAGE


def test_the_verdict_and_its_exit_code_agree() -> None:
    assert (document(WELL, [])["ok"], document(WELL, [])["verdict"]) == (True, "all is well")
    assert document(TROUBLED, problems(TROUBLED))["ok"] is False


def test_times_are_written_for_people_and_scripts() -> None:
    written = document(WELL, [])
    assert written["at"] == "2023-11-14T22:13:20Z"
