"""The tables of docs/telemetry.md, made from the names that the code uses.

`make docs` writes each between its marks, `<!-- made: attributes -->` and `<!-- end -->`; the rest of the
page is written by hand. A test sees that it was.
"""

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from isthmus.common.telemetry import attributes, definitions
from tests.documents.texts_below import texts_below

PAGE: Final = Path(__file__).parents[2] / "docs" / "telemetry.md"
_PLACE: Final = re.compile(r"(<!-- made: (\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)


def page(written: str) -> str:
    """Give the page with its tables renewed.

    Raises:
        KeyError: it has a place for a table that nobody makes.
    """
    return _PLACE.sub(lambda place: "\n".join([place[1], *TABLES[place[2]](), "", ""]), written)


def places(written: str) -> list[str]:
    """Name the tables that a page has a place for."""
    return [name for _, name in _PLACE.findall(written)]


def attribute_names() -> Mapping[str, str]:
    """Give the name of each attribute, with what is said of it."""
    said = texts_below(ast.parse(inspect.getsource(attributes)).body)
    return {name: said[constant] for constant, name in vars(attributes).items() if constant in said}


def _attributes() -> Iterator[str]:
    yield "| attribute | |\n|---|---|"
    for name, words in sorted(attribute_names().items()):
        yield f"| `{name}` | {' '.join(words.split())} |"


def _metrics() -> Iterator[str]:
    yield "| instrument | in `/metrics` | kind | attributes | of | |\n|---|---|---|---|---|---|"
    for one in definitions():
        attributes = " ".join(f"`{name}`" for name in one.attributes)
        services = " ".join(one.services)
        names = f"`{one.name}` | `{one.prometheus}`"
        yield f"| {names} | {one.kind} | {attributes} | {services} | {one.description} |"


TABLES: Final[Mapping[str, Callable[[], Iterator[str]]]] = {"attributes": _attributes, "metrics": _metrics}

if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
    sys.stderr.write(f"wrote {PAGE.name}\n")
