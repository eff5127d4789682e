"""The site of the documents: `make site` builds it into site/, from docs/ and from what its pages link to.

The pages keep the links that they have on GitHub. Here each file gets a place in the site, where links lead.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = ROOT / ".site"
"""What zensical builds from."""
SITE: Final = ROOT / "site"

_LINK: Final = re.compile(r"(\]\()([^)\s:#]+)(#[^)\s]*)?\)")
"""To a file of this repository; links to other sites have a colon."""
_NAMED_FENCE: Final = re.compile(r"^( *```\w+) +([\w.-]+)$", re.MULTILINE)
"""A block with a name, by which tests know it; that of a file is told in the site too."""


class NoSuchFile(Exception):
    """A page links to what is not there."""


def place(file: Path) -> Path:
    """Tell where a file is in the site: a README is the page of its folder, and nothing is hidden."""
    path = file.relative_to(ROOT)
    if path.parts[0] == "docs":
        path = path.relative_to("docs")
        return path.with_name(path.name.removeprefix("."))
    if path.name == "README.md" and path.parent.name:
        return path.parent.with_suffix(".md")
    return path.with_name(path.name.removeprefix("."))


def linked(page: Path) -> Iterator[Path]:
    """Give the files that a page links to."""
    if page.suffix != ".md":
        return
    for _, link, _ in _LINK.findall(page.read_text()):
        file = (page.parent / unquote(link)).resolve()
        if not file.is_file():
            raise NoSuchFile(f"{page.relative_to(ROOT)} links to {link}")
        yield file


def files() -> Mapping[Path, Path]:
    """Give all that belongs to the site, with its place: the documents, and what leads on from them."""
    found: dict[Path, Path] = {}
    waiting = sorted((ROOT / "docs").rglob("*.md"))
    while waiting:
        file = waiting.pop()
        if file not in found:
            found[file] = place(file)
            waiting.extend(linked(file))
    return found


def as_page(file: Path, places: Mapping[Path, Path]) -> str:
    """Give a page as it is in the site: its links lead to where things are there, blocks have no names."""

    def moved(link: re.Match[str]) -> str:
        target = places[(file.parent / unquote(link[2])).resolve()]
        return f"{link[1]}{os.path.relpath(target, places[file].parent)}{link[3] or ''})"

    def titled(fence: re.Match[str]) -> str:
        return f'{fence[1]} title="{fence[2]}"' if "." in fence[2] else fence[1]

    return _NAMED_FENCE.sub(titled, _LINK.sub(moved, file.read_text()))


def gather() -> None:
    """Write what zensical builds from."""
    shutil.rmtree(PAGES, ignore_errors=True)
    places = files()
    for file, where in places.items():
        written = PAGES / where
        written.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".md":
            written.write_text(as_page(file, places))
        else:
            shutil.copyfile(file, written)


def build() -> subprocess.CompletedProcess[str]:
    """Build the site anew; a warning is a failure."""
    gather()
    shutil.rmtree(SITE, ignore_errors=True)
    zensical = Path(sys.executable).with_name("zensical")
    return subprocess.run(
        [zensical, "build", "--clean", "--strict"], cwd=ROOT, capture_output=True, text=True, check=False
    )


if __name__ == "__main__":
    built = build()
    sys.stderr.write(built.stdout + built.stderr)
    sys.exit(built.returncode)
