"""Links in URLs: taken out, whatever their place, and nothing else with them."""

import pytest
from starlette.types import Scope

from isthmus.common.access.credentials import Credential, take_links
from isthmus.common.dicomweb.resource import LINKS


def taken(path: str, query: str = "") -> tuple[list[str], str, str]:
    scope: Scope = {"type": "http", "path": path, "query_string": query.encode(), "raw_path": path.encode()}
    take_links(scope)
    return [*scope.get(LINKS, ())], scope["path"], scope["query_string"].decode()


@pytest.mark.parametrize(
    ("path", "query", "found"),
    [
        ("/aets", "", ([], "/aets", "")),
        ("/aets", "a=1", ([], "/aets", "a=1")),
        ("/aets", "link=x", (["x"], "/aets", "")),
        ("/aets", "a=1&link=x&b=%26", (["x"], "/aets", "a=1&b=%26")),
        ("/aets", "link=x%2Dy", (["x-y"], "/aets", "")),
        ("/aets", "%6Cin%6b=x", (["x"], "/aets", "")),
        ("/aets", "link", ([""], "/aets", "")),
        ("/aets", "link=", ([""], "/aets", "")),
        ("/aets", "link=x&link=y", (["x", "y"], "/aets", "")),
        ("/aets", "LINK=x&links=y&a=link", ([], "/aets", "LINK=x&links=y&a=link")),
        ("/links/x/aets/pacs", "", (["x"], "/aets/pacs", "")),
        ("/links/x/aets", "link=y&a=1", (["x", "y"], "/aets", "a=1")),
        ("/links/x", "", (["x"], "/", "")),
        ("/links/", "", ([""], "/", "")),
        ("/links/x/links/y/aets", "", (["x"], "/links/y/aets", "")),
        ("/links", "", ([], "/links", "")),
    ],
)
def test_links_are_taken_out_of_a_url(path: str, query: str, found: tuple[list[str], str, str]) -> None:
    assert taken(path, query) == found


def test_a_credential_shows_nothing_of_itself() -> None:
    assert repr(Credential("secret", "name")) == "Credential(...)"
