"""What is taken for a block of a document, and for what content of one."""

from pathlib import Path

import pytest

from tests.documents.blocks import Block, Content, Unreadable, blocks


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tests.documents.blocks.ROOT", tmp_path)
    return tmp_path / "page.md"


def read(page: Path, text: str) -> list[Block]:
    page.write_text(text)
    return list(blocks(page))


def test_a_fence_says_what_its_block_is_and_what_it_is_called(page: Path) -> None:
    (block,) = read(page, "Do:\n\n```sh asking\nisthmus find\n```\n")
    assert (block.content, block.name, block.text, block.where) == (
        Content.SHELL,
        "asking",
        "isthmus find\n",
        "page.md:4",
    )


@pytest.mark.parametrize(
    ("first", "content"),
    [
        ("isthmus find pacs", Content.SHELL),
        ("$ curl -s http://127.0.0.1:8080", Content.SHELL),
        ("[scp]", Content.TOML),
        ("[[origins]]", Content.TOML),
        ("from pathlib import Path", Content.PYTHON),
        ("a figure --> of something", Content.SHELL),
    ],
)
def test_an_indented_block_is_commands_unless_it_is_plainly_something_else(
    page: Path, first: str, content: Content
) -> None:
    (block,) = read(page, f"Text.\n\n    {first}\n\n      more\nAfter.\n")
    assert (block.content, block.text) == (content, f"{first}\n\n  more\n")


def test_what_continues_a_line_of_text_is_none(page: Path) -> None:
    assert read(page, "- an item\n    that goes on\n") == []


@pytest.mark.parametrize("between", ["", "\n"])
def test_a_comment_before_a_block_says_why_it_is_not_run_with_the_others(page: Path, between: str) -> None:
    first, second = read(
        page,
        f"<!-- needs: a container engine -->\n{between}```sh\ndocker ps\n```\n\n"
        "<!-- run by: tests/x.py -->\n\n    ls\n",
    )
    assert (first.needs, first.run_by, second.needs, second.run_by) == (
        "a container engine",
        "",
        "",
        "tests/x.py",
    )


def test_a_comment_is_about_the_next_block_alone(page: Path) -> None:
    told = read(page, "<!-- needs: a cluster -->\n\n    helm ls\n\nText.\n\n    ls\n")
    assert [block.needs for block in told] == ["a cluster", ""]
    (block,) = read(page, "<!-- needs: a cluster -->\nText between.\n\n    ls\n")
    assert block.needs == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("```\nls\n```\n", "page.md:1: ```: say one of sh"),
        ("```bash\nls\n```\n", "page.md:1: ```bash: say one of sh"),
        ("\n```sh\nls\n", "page.md:2: nothing ends this fence"),
    ],
)
def test_what_nobody_can_read_is_named(page: Path, text: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        read(page, text)
