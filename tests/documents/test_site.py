"""The site of the documents: built without a warning, whole in itself, each page found from its menu."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import sync_playwright

from tests.documents.site import ROOT, SITE, NoSuchFile, as_page, build, files, linked
from tests.system.browser import CHROMIUM, OPTIONS
from tests.waiting import PATIENCE

WITHIN_MS: Final = 1000 * PATIENCE
LOADED: Final = frozenset({"link", "script", "img", "iframe", "source", "video", "audio", "object", "embed"})
"""Elements that a browser loads something for; an `a` is followed by who wants to."""


@dataclass
class Page(HTMLParser):
    """What a page of the site has and points at."""

    ids: set[str] = field(default_factory=set)
    links: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif name in ("href", "src") and value is not None:
                self.links.append((tag, value))


@cache
def read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text())
    return page


def leads_somewhere(path: Path, link: str) -> bool:
    """Tell whether a link of a page of the site is to a file of it, and to a place in that."""
    parts = urlsplit(link)
    if parts.scheme:
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        return False
    return not parts.fragment or target.suffix != ".html" or parts.fragment in read(target).ids


@pytest.fixture(scope="module")
def site() -> Path:
    built = build()
    assert built.returncode == 0, built.stdout + built.stderr
    assert "No issues found" in built.stdout + built.stderr
    return SITE


def test_every_block_of_code_is_shown_as_one(site: Path) -> None:
    assert [path.name for path in sorted(site.rglob("*.html")) if "```" in path.read_text()] == []


def test_everything_that_the_site_points_at_is_in_it(site: Path) -> None:
    dead = [
        f"{path.relative_to(site)}: {link}"
        for path in sorted(site.rglob("*.html"))
        if path.name != "404.html"  # is shown at any address
        for _, link in read(path).links
        if not leads_somewhere(path, link)
    ]
    assert dead == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    told = [
        f"{path.name}: {link}"
        for path in site.rglob("*.html")
        for tag, link in read(path).links
        if tag in LOADED and (urlsplit(link).scheme or link.startswith("//"))
    ]
    assert told == []


@contextmanager
def served(site: Path) -> Iterator[str]:
    """Serve it as any web server does; gives its address."""
    handler = partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        serving.join()


class Quiet(SimpleHTTPRequestHandler):
    """Writes no log of requests."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def test_a_browser_asks_for_nothing_elsewhere_and_finds_what_is_searched_for(site: Path) -> None:
    asked: list[str] = []
    with served(site) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page(base_url=url)
        page.set_default_timeout(WITHIN_MS)
        page.on("request", lambda request: asked.append(request.url))
        for name in ("architecture.html", "start.html"):
            page.goto(name)
        page.wait_for_load_state("networkidle")
        page.keyboard.press("/")
        page.keyboard.type("dead letters")
        page.get_by_text("What lies where").first.wait_for()
        browser.close()
    assert [one for one in asked if not one.startswith((url, "data:", f"blob:{url}"))] == []
    assert any(one.endswith("search.json") for one in asked)


def named(menu: Iterable[object]) -> Iterator[str]:
    """Give the pages that a part of the menu names."""
    for entry in menu:
        assert isinstance(entry, dict)
        for value in entry.values():
            yield from [value] if isinstance(value, str) else named(value)


def test_every_page_is_in_the_menu_or_linked_from_one_that_is() -> None:
    menu = set(named(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]))
    places = {str(place): file for file, place in files().items()}
    assert menu - set(places) == set()
    seen: set[Path] = set()
    waiting = [places[name] for name in menu]
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting.extend(linked(file))
    assert set(places.values()) - seen == set()


def test_a_link_leads_to_where_its_file_is_in_the_site(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tests.documents.site.ROOT", tmp_path)
    (tmp_path / "docs" / "connect").mkdir(parents=True)
    (tmp_path / "services" / "scp").mkdir(parents=True)
    page = tmp_path / "docs" / "connect" / "any.md"
    page.write_text(
        "[a](../../services/scp/README.md#rights) [b](#b) [c](https://example.org/x.md) [d](../.env)"
    )
    (tmp_path / "docs" / ".env").write_text("A=b")
    readme = tmp_path / "services" / "scp" / "README.md"
    readme.write_text("[back](../../docs/connect/any.md)")
    places = files()
    assert set(map(str, places.values())) == {"connect/any.md", "services/scp.md", "env"}
    assert (
        as_page(page, places)
        == "[a](../services/scp.md#rights) [b](#b) [c](https://example.org/x.md) [d](../env)"
    )
    assert as_page(readme, places) == "[back](../connect/any.md)"


def test_a_link_to_what_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tests.documents.site.ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "one.md").write_text("![picture](none.png)")
    with pytest.raises(NoSuchFile, match=re.escape("docs/one.md links to none.png")):
        files()
