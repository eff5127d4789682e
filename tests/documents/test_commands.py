"""Every command of the documents does what its page says: it is run here, or the page says what it needs."""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tests.documents.blocks import ROOT, Block, Content, blocks, names, pages
from tests.documents.commands.reader import Reader, looks_like, to_run
from tests.documents.commands.system import Documented, documented
from tests.documents.commands.words import ALONE, ELSEWHERE, NEEDED, replaced, without_comment

BLOCKS: Final[tuple[Block, ...]] = tuple(block for page in pages() for block in blocks(page))
OTHERS: Final = [block for block in BLOCKS if block.needs or block.run_by]
HERE: Final[dict[Path, list[Block]]] = {}
"""What is run here, by page."""
for _block in BLOCKS:
    _is_run = _block.content in (Content.SHELL, Content.PYTHON) and not (_block.needs or _block.run_by)
    if _is_run and names(_block.page) not in ALONE:
        HERE.setdefault(_block.page, []).append(_block)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Documented]:
    with documented(tmp_path_factory.mktemp("documented")) as running:
        yield running


@pytest.fixture
def reader(system: Documented, tmp_path: Path) -> Reader:
    """A reader beside the running system."""
    (tmp_path / ".isthmus").symlink_to(system.gateway.data)
    shutil.copyfile(system.gateway.config, tmp_path / "isthmus.toml")
    return Reader(tmp_path, {**system.given, "NUMBER": system.dead_letter()})


@pytest.mark.parametrize("page", HERE, ids=names)
def test_the_commands_of_a_page_do_what_it_says(reader: Reader, page: Path) -> None:
    for program in (block for block in blocks(page) if block.name.endswith(".py")):
        (reader.folder / program.name).write_text(program.text)
    for block in HERE[page]:
        if block.content is Content.PYTHON:
            reader.python(block)
        else:
            reader.run(block)


@pytest.mark.parametrize("block", OTHERS, ids=[block.where for block in OTHERS])
def test_what_is_not_run_here_is_run_elsewhere_or_says_what_it_needs(block: Block) -> None:
    if block.run_by:
        assert is_run(block), f"{block.where}: not in {block.run_by}"
        return
    programs, words = NEEDED[block.needs]
    for line in block.text.replace("\\\n", "").splitlines():
        command = without_comment(line)
        assert not command or re.search(programs, command), f"{block.where}: {command} could be run"
    assert re.search(words, block.page.read_text()), f"{block.where}: the page does not say what it needs"


def is_run(block: Block) -> bool:
    """Tell whether the test that is to run a block names its page, and commands by the block's name."""
    test = (ROOT / block.run_by).read_text()
    taken = block.content is not Content.SHELL or (block.name != "" and f'"{block.name}"' in test)
    return block.page.name in test and taken


def test_who_is_to_run_a_block_has_to_name_it() -> None:
    (block,) = (one for one in OTHERS if (one.page.name, one.name) == ("operating.md", "backup"))
    assert is_run(block)
    assert not is_run(replace(block, run_by="tests/documents/test_site.py"))
    assert not is_run(replace(block, name="another"))
    assert not is_run(replace(block, name=""))
    assert not is_run(replace(block, page=ROOT / "docs" / "security.md"))


def test_a_block_has_a_name_of_its_own_page() -> None:
    named = Counter((block.page, block.name) for block in BLOCKS if block.name)
    assert [str(one) for one, times in named.items() if times > 1] == []


@pytest.mark.parametrize("where", sorted({*ELSEWHERE.values(), *ALONE.values()}))
def test_what_runs_a_command_elsewhere_is_there(where: str) -> None:
    assert (ROOT / where).is_file()


def test_a_page_with_a_test_of_its_own_is_there_and_named_in_that() -> None:
    assert [
        page for page, test in ALONE.items() if page.partition("/")[2] not in (ROOT / test).read_text()
    ] == []


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tests.documents.blocks.ROOT", tmp_path)
    return tmp_path / "page.md"


def block_of(page: Path, text: str) -> Block:
    page.write_text(text)
    (block,) = blocks(page)
    return block


def test_a_command_that_fails_is_told_with_its_place_and_what_it_said(page: Path, tmp_path: Path) -> None:
    reader = Reader(tmp_path / "folder", {})
    block = block_of(page, "# A page\n\n    echo before\n    cat nothing-there\n    echo after\n")
    with pytest.raises(AssertionError, match=r"page\.md:3 ended with 1:\nbefore\ncat: nothing-there") as told:
        reader.run(block)
    assert "after" not in str(told.value)


def test_a_command_may_find_something_wrong_but_not_break(page: Path, tmp_path: Path) -> None:
    reader = Reader(tmp_path / "folder", {})
    block = block_of(page, "\n    isthmus doctor\n")
    program = reader.folder / ".venv" / "bin" / "isthmus"
    program.write_text("#!/bin/sh\necho '9 checks: 1 thing is wrong'; exit 1\n")
    assert "wrong" in reader.run(block)
    program.write_text("#!/bin/sh\necho 'Traceback (most recent call last):' >&2; exit 1\n")
    with pytest.raises(AssertionError, match="Traceback"):
        reader.run(block)


def test_output_other_than_the_page_shows_is_told(page: Path, tmp_path: Path) -> None:
    reader = Reader(tmp_path / "folder", {})
    right = block_of(page, "\n    $ one=1\n    $ echo a $one; echo b\n    a 1\n    b\n")
    assert "a 1\nb" in reader.run(right)
    with pytest.raises(AssertionError, match=r"page\.md:2: echo c printed:\nc"):
        reader.run(block_of(page, "\n    $ echo c\n    d\n"))


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        ('{"ok":true,"latency_ms":12.25}\n', '{"ok":true,"latency_ms":3.2}\n', True),
        ('{"ok":false,"latency_ms":12.25}\n', '{"ok":true,"latency_ms":3.2}\n', False),
        ("[1, 2, 3]", "[1,...]", True),
        ("[1, 2, 3", "[1,...]", False),
        ("anything", "", True),
        ("a.b", "axb", False),
        ("axb", "a.b", False),
    ],
)
def test_output_is_as_shown_but_for_what_was_measured_or_left_out(
    printed: str, shown: str, same: bool
) -> None:
    assert looks_like(printed, shown) is same


@pytest.mark.parametrize(
    ("line", "run"),
    [
        ("make up   # all of it", []),
        (
            "isthmus events --since 1h  # until Ctrl-C",
            ["until_said isthmus events --since 1h"],
        ),
        ("isthmus events --since 1h --no-follow", ["isthmus events --since 1h --no-follow"]),
        ("isthmus audit --follow", ["until_said isthmus audit --follow"]),
        ("isthmus status --json  # for scripts", ["isthmus status --json || test $? -eq 1"]),
        ("isthmus status | grep demo", ["isthmus status | grep demo"]),
        ("isthmus status --watch", ["until_said isthmus status --watch"]),
        ('make test ARGS="-k x"', [f'make --dry-run --directory "{ROOT}" test ARGS="-k x" >/dev/null']),
    ],
)
def test_what_has_no_end_or_takes_too_long_is_run_otherwise(page: Path, line: str, run: list[str]) -> None:
    assert [one.rstrip("\n") for one in to_run(block_of(page, f"\n    {line}\n"))] == run


def test_words_in_capitals_are_the_readers_own() -> None:
    given = {"STUDY": "1.2", "http://127.0.0.1:8080": "http://127.0.0.1:99"}
    assert replaced("get pacs STUDY -k Level=STUDY ${STUDY} STUDYS", given) == (
        "get pacs 1.2 -k Level=STUDY ${STUDY} STUDYS"
    )
    assert replaced("http://127.0.0.1:8080/aets http://127.0.0.1:80801", given) == (
        "http://127.0.0.1:99/aets http://127.0.0.1:80801"
    )


def test_a_command_without_an_end_fails_if_it_ends_or_tells_nothing(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "folder", {})
    for command in ("until_said false", "until_said echo once"):
        ended = subprocess.run(command.split(), cwd=reader.folder, env=reader.environment, check=False)
        assert ended.returncode == 1, command
