"""Every attribute of a span or a metric is declared, with what it means, and named by its constant."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from isthmus.common.telemetry import attributes, definitions
from tests.documents.telemetry_page import attribute_names

ROOT: Final = Path(__file__).parents[3]
MODULES: Final = {
    str(path.relative_to(ROOT)): path.read_text()
    for part in ("libs", "services")
    for path in sorted((ROOT / part).glob("*/src/**/*.py"))
}
CONSTANTS: Final = {name: value for name, value in vars(attributes).items() if name.isupper()}


def literals(module: ast.Module) -> Iterator[str]:
    """Give the attributes of spans that a module names by a text and not by a constant."""
    for call in ast.walk(module):
        if not isinstance(call, ast.Call):
            continue
        match call.func:
            case ast.Name("span" | "s3_span"):
                keys = [key for one in ast.walk(call) if isinstance(one, ast.Dict) for key in one.keys]
            case ast.Attribute(attr="set_attribute"):
                keys = [*call.args[:1]]
            case _:
                continue
        yield from (ast.unparse(key) for key in keys if isinstance(key, ast.Constant | ast.JoinedStr))


def test_each_constant_says_what_it_means_and_no_name_is_there_twice() -> None:
    assert set(attribute_names()) == set(CONSTANTS.values())
    assert len(set(CONSTANTS.values())) == len(CONSTANTS)


def test_each_constant_is_spelled_as_its_attribute() -> None:
    assert {name: value.upper().replace(".", "_") for name, value in CONSTANTS.items()} == dict(
        zip(CONSTANTS, CONSTANTS, strict=True)
    )


def test_each_constant_is_used() -> None:
    texts = [text for path, text in MODULES.items() if not path.endswith("telemetry/attributes.py")]
    assert [name for name in CONSTANTS if not any(name in text for text in texts)] == []


def test_no_span_has_an_attribute_that_is_not_declared() -> None:
    spanned = {path: text for path, text in MODULES.items() if "span(" in text or "set_attribute" in text}
    assert len(spanned) > 20
    assert {path: found for path, text in spanned.items() if (found := [*literals(ast.parse(text))])} == {}


def test_no_metric_has_an_attribute_that_is_not_declared() -> None:
    used = {attribute for definition in definitions() for attribute in definition.attributes}
    assert used
    assert used <= set(CONSTANTS.values())


def test_a_literal_is_seen() -> None:
    assert [*literals(ast.parse('with span("x", {"dicom.name": 1}) as s: s.set_attribute(f"a.{b}", 2)'))] == [
        "'dicom.name'",
        "f'a.{b}'",
    ]
