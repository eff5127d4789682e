"""The blocks of the documents: commands, settings, programs, JSON, and figures, as a reader sees them.

A fence says what its block is, and may give it a name: ```` ```sh durable ````. An indented block is a
table of settings if it begins like one, Python if it begins with an import, and else commands. A figure is in
a fence (`text`), so that no command is taken for one. A comment before a block, which the rendered page does
not show, may say why it is not run where the others are:

    <!-- needs: a container engine -->           the machine of the tests has none; the page says so, too
    <!-- run by: tests/inverse/test_page.py -->  that test runs it, and takes it by its name
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_FENCE: Final = re.compile(r"^```(\S*) ?(\S*)$")
_COMMENT: Final = re.compile(r"^<!-- (needs|run by): (.+?) -->$")
_INDENT: Final = "    "


class Content(StrEnum):
    """What a block is."""

    SHELL = "sh"
    TOML = "toml"
    PYTHON = "python"
    JSON = "json"
    YAML = "yaml"
    TEXT = "text"


class Unreadable(Exception):
    """A block of which nobody can tell what it is."""


@dataclass(frozen=True)
class Block:
    """A block of a page.

    Attributes:
        page: the file.
        line: where its text begins, from 1.
        name: what a fence calls it.
        needs: what the machine of the tests has not.
        run_by: the test that runs it.
    """

    page: Path
    line: int
    content: Content
    text: str
    name: str = ""
    needs: str = ""
    run_by: str = ""

    @property
    def where(self) -> str:
        """File and line, as an editor opens them."""
        return f"{names(self.page)}:{self.line}"


def pages() -> list[Path]:
    """Give all documents but those that tell of the past."""
    hidden = {"site", "node_modules"}
    found = (path for path in ROOT.rglob("*.md") if path.name != "CHANGELOG.md")
    return sorted(
        path
        for path in found
        if not any(part.startswith(".") or part in hidden for part in path.relative_to(ROOT).parts)
    )


def names(page: Path) -> str:
    """Tell which page it is."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> Iterator[Block]:
    """Give the blocks of a page, in order.

    Raises:
        Unreadable: a fence says not what is in it, or nothing ends it.
    """
    lines = page.read_text().splitlines()
    number, comment, before = 0, ("", ""), ""
    while number < len(lines):
        line = lines[number]
        if line.startswith("```"):
            end = _end_of_fence(page, lines, number)
            content, name = _told(page, number, line)
            yield _block(page, number + 2, content, lines[number + 1 : end], comment, name)
            number, comment, before = end + 1, ("", ""), "```"
        elif line.startswith(_INDENT) and not before.strip():
            end = _end_of_indent(lines, number)
            text = [one.removeprefix(_INDENT) for one in lines[number:end]]
            yield _block(page, number + 1, _guessed(text[0]), text, comment)
            number, comment, before = end, ("", ""), text[-1]
        else:
            if told := _COMMENT.match(line):
                comment = (told[1], told[2])
            elif line.strip():
                comment = ("", "")
            number, before = number + 1, "" if told else line


def _block(
    page: Path, line: int, content: Content, text: list[str], comment: tuple[str, str], name: str = ""
) -> Block:
    needs, run_by = (comment[1] if comment[0] == which else "" for which in ("needs", "run by"))
    return Block(page, line, content, "\n".join(text) + "\n", name, needs, run_by)


def _told(page: Path, number: int, line: str) -> tuple[Content, str]:
    match = _FENCE.match(line)
    try:
        content = Content(match[1] if match else "")
    except ValueError:
        kinds = ", ".join(Content)
        raise Unreadable(f"{names(page)}:{number + 1}: {line}: say one of {kinds}") from None
    return content, match[2] if match else ""


def _end_of_fence(page: Path, lines: list[str], begin: int) -> int:
    for number in range(begin + 1, len(lines)):
        if lines[number] == "```":
            return number
    raise Unreadable(f"{names(page)}:{begin + 1}: nothing ends this fence")


def _end_of_indent(lines: list[str], begin: int) -> int:
    """Give the line after the last one of an indented block, which may have empty lines within."""
    end = begin
    for number in range(begin, len(lines)):
        if lines[number].startswith(_INDENT):
            end = number + 1
        elif lines[number].strip():
            break
    return end


def _guessed(first: str) -> Content:
    if re.match(r"\[{1,2}[a-z]", first):
        return Content.TOML
    return Content.PYTHON if re.match(r"(from|import) ", first) else Content.SHELL
