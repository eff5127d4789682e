"""What documents show is so: settings are settings, commands have their options, rules allow what is said."""

import ast
import importlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Final

import pytest
import yaml
from typer.core import TyperGroup
from typer.main import get_command

from isthmus.cli.doubtful_rules import doubtful_rules
from isthmus.cli.main import app
from isthmus.cli.named_files import check_files
from isthmus.common.auth import Kind, Policy, Principal, Right
from isthmus.common.config import Settings, load_settings
from tests.documents.blocks import ROOT, Block, Content, blocks, names, pages

BLOCKS: Final = [block for page in pages() for block in blocks(page)]
COMMAND: Final = re.compile(r"\bisthmus ([a-z]+(?: [a-z]+)?)\b([^`\n#|]*)")


def of(*contents: Content) -> pytest.MarkDecorator:
    chosen = [block for block in BLOCKS if block.content in contents]
    return pytest.mark.parametrize("block", chosen, ids=[block.where for block in chosen])


@of(Content.TOML)
def test_every_example_of_settings_is_settings(block: Block, tmp_path: Path) -> None:
    text = block.text
    # Those of one example are alone here: what it names of others is added.
    known = set(re.findall(r'^name = "([a-z-]+)"', text, re.MULTILINE))
    named = set(re.findall(r'"([a-z-]+)"', " ".join(re.findall(r"(?:origins|to|inbox|store) = (.*)", text))))
    for number, name in enumerate(sorted(named - known - {*Right})):
        text += f'[[origins]]\nname = "{name}"\nprotocol = "inbox"\nae_title = "OTHER{number}"\n'
    for name in re.findall(r'"/run/secrets/(.+)"', text):
        (tmp_path / name).write_text("secret" * 8)
    (tmp_path / "isthmus.toml").write_text(text.replace("/run/secrets", str(tmp_path)))
    load_settings(tmp_path / "isthmus.toml")


@of(Content.JSON, Content.YAML)
def test_every_document_in_json_or_yaml_can_be_read(block: Block) -> None:
    assert json.loads(block.text) if block.content is Content.JSON else list(yaml.compose_all(block.text))


@of(Content.PYTHON)
def test_every_program_is_python_of_which_all_parts_are_there(block: Block) -> None:
    for node in ast.walk(ast.parse(dedent(block.text))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []
        for name in names:
            importlib.import_module(name)


def options(words: str) -> set[str] | None:
    """Give the options of a command; None where the words are none."""
    command = get_command(app)
    for word in words.split():
        if not isinstance(command, TyperGroup):
            break  # what it is about
        if word not in command.commands:
            return None
        command = command.commands[word]
    if isinstance(command, TyperGroup):
        command = command.commands["list" if "list" in command.commands else "show"]
    return {option for one in command.params for option in (*one.opts, *one.secondary_opts)}


def shown() -> Iterator[tuple[str, str, str]]:
    for path in pages():
        for words, rest in COMMAND.findall(path.read_text()):
            if (options(words) or options(words.split()[0])) is not None:
                yield names(path), words, rest


def test_every_command_that_is_shown_has_its_options() -> None:
    found = list(shown())
    assert len(found) > 30
    for page, words, rest in found:
        known = options(words) or options(words.split()[0]) or set()
        assert [one for one in re.findall(r"--[a-z-]+", rest) if one not in known] == [], (page, words)


@pytest.fixture
def secured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of the page on security, with the certificates of the page for DIMSE clients."""
    (text,) = (one.text for one in blocks(ROOT / "docs" / "security.md") if one.content is Content.TOML)
    page = blocks(ROOT / "docs" / "dimse-clients.md")
    (commands,) = (one.text for one in page if one.name == "certificates")
    subprocess.run(["/bin/sh", "-e", "-c", commands], cwd=tmp_path, check=True, capture_output=True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "isthmus.toml").write_text(text)
    return load_settings(tmp_path / "isthmus.toml")


def test_the_rules_of_the_page_on_security_allow_what_it_says(secured: Settings) -> None:
    check_files(secured)
    assert list(doubtful_rules(secured)) == []
    policy = Policy.of(secured)
    radiologist = Principal(Kind.USER, "alice", {"groups": ("radiology",)}, address="10.9.0.1")
    ai = Principal(Kind.KEY, "ai", address="10.9.0.2")
    scanner = Principal(
        Kind.CERTIFICATE, "CN=ct1,O=Hospital", {}, "10.1.0.8", "CT1", certificate="CN=ct1,O=Hospital"
    )
    workstation = Principal(Kind.AE_TITLE, "WORKSTATION", {}, "10.2.0.17", "WORKSTATION")
    claims_it = Principal(Kind.AE_TITLE, "WORKSTATION", {}, "10.2.0.18", "WORKSTATION")
    without = Principal(Kind.AE_TITLE, "CT1", {}, "10.1.0.8", "CT1")
    for who, right, origins in (
        (radiologist, Right.RETRIEVE, {"pacs", "inbox"}),
        (radiologist, Right.STORE, set()),
        (ai, Right.SEARCH, {"pacs"}),
        (scanner, Right.STORE, {"inbox"}),
        (scanner, Right.SEARCH, set()),
        (workstation, Right.RETRIEVE, {"pacs"}),
        (claims_it, Right.RETRIEVE, set()),
        (without, Right.STORE, set()),
    ):
        assert set(policy.permits(who, right)) == origins, (who.label, right)
    assert not policy.permits(ai, Right.SEARCH)["pacs"].is_whole
