"""Files that share a running system go to one process of the run."""

from dataclasses import dataclass

import pytest

from tests.distribution import Used, strays


@dataclass(frozen=True)
class Test:
    """What is known of a test before it runs."""

    __test__ = False

    nodeid: str
    fixturenames: list[str]


def test_each_file_that_shares_a_system_is_named(request: pytest.FixtureRequest) -> None:
    assert strays(item for item in request.session.items if isinstance(item, Used)) == set()


def test_a_file_that_is_not_named_is_found() -> None:
    named = Test("tests/system/test_stow.py::test_one", ["gateway", "http"])
    new, other = "tests/system/test_new.py", "tests/system/test_inbox.py"
    without = Test("tests/wado/test_one.py::test_one", ["gateway"])  # one of its own
    tests = [
        named,
        Test(f"{new}::test_one[1]", ["gateway"]),
        Test(f"{other}::test_one", ["gateway"]),
        without,
    ]
    assert strays(tests) == {new, other}
