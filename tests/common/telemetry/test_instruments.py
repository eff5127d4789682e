"""Each instrument is used, by whom it says, and reads as Prometheus wants it."""

import inspect
import re
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from opentelemetry.metrics import Counter, Histogram, UpDownCounter

from isthmus.common.bus.accounts import SERVICES
from isthmus.common.telemetry import Definition, instruments
from isthmus.common.telemetry.metrics import Gauge, Kind, definitions
from tests.measured import promtool, samples

ROOT: Final = Path(__file__).parents[3]
NAMES: Final = [
    name
    for name, value in vars(instruments).items()
    if isinstance(value, Counter | Gauge | Histogram | UpDownCounter)
]
"""The constants that hold instruments."""
OURS: Final = definitions()
DEFINED: Final = dict(re.findall(r'^(\w+) = \w+\(\s*"([^"]+)"', inspect.getsource(instruments), re.MULTILINE))
"""The names of the instruments, by their constants."""
_RECORDS: Final = re.compile(r"\b(\w+)\.(?:add|record|set|replace)\(")


@cache
def users() -> Mapping[str, Collection[Path]]:
    """Give the modules that record something, by the constants of the instruments."""
    found: dict[str, set[Path]] = {name: set() for name in NAMES}
    for folder in ("libs", "services"):
        for path in (ROOT / folder).rglob("src/**/*.py"):
            for name in {*_RECORDS.findall(path.read_text())} & found.keys():
                found[name].add(path.relative_to(ROOT))
    return found


def test_there_are_as_many_constants_as_definitions() -> None:
    assert sorted(DEFINED[name] for name in NAMES) == [one.name for one in OURS]


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_instrument_records_something(name: str) -> None:
    assert users()[name]


@pytest.mark.parametrize("definition", OURS, ids=lambda one: one.name)
def test_a_definition_says_what_it_is_and_whose(definition: Definition) -> None:
    assert re.fullmatch(r"(http\.server|isthmus)(\.[a-z][a-z0-9_]*)+", definition.name)
    assert definition.description[0].isupper()
    assert not definition.description.endswith(".")
    assert definition.services
    assert set(definition.services) <= set(SERVICES)
    assert definition.unit in ("s", "By", "") or re.fullmatch(r"\{[a-z]+\}", definition.unit)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_what_a_service_records_itself_it_is_said_to_export(name: str) -> None:
    (definition,) = [one for one in OURS if one.name == DEFINED[name]]
    services = {path.parts[1] for path in users()[name] if path.parts[0] == "services"}
    assert services <= set(definition.services)


def test_no_two_have_a_name_in_prometheus() -> None:
    assert len({one.prometheus for one in OURS}) == len(OURS)


def text_with_all_of_them() -> str:
    """Give what `/metrics` says where each has something to say, as far as its kind and unit make it."""
    lines = []
    for one in OURS:
        lines += [f"# HELP {one.prometheus} {one.description}", f"# TYPE {one.prometheus} {_type(one)}"]
        match one.kind:
            case Kind.HISTOGRAM:
                lines += [f'{one.prometheus}_bucket{{le="+Inf"}} 1.0']
                lines += [f"{one.prometheus}_count 1.0", f"{one.prometheus}_sum 1.0"]
            case _:
                lines += [f"{one.prometheus} 1.0"]
    return "\n".join([*lines, ""])


def _type(one: Definition) -> str:
    return {Kind.COUNTER: "counter", Kind.HISTOGRAM: "histogram"}.get(one.kind, "gauge")


async def test_promtool_finds_nothing_in_their_names() -> None:
    assert await promtool(text_with_all_of_them()) == ""


async def test_promtool_finds_what_is_wrong() -> None:
    wrong = "# HELP stored Stored\n# TYPE stored counter\nstored 1\n"
    assert "_total" in await promtool(wrong)


def test_what_is_exported_here_is_defined_with_these_attributes() -> None:
    """Of this process: whatever the tests before this one have done."""
    allowed = {
        suffixed: {attribute.replace(".", "_") for attribute in one.attributes} | {"le"}
        for one in definitions()
        for suffixed in _samples(one)
    }
    for name, labels, _ in samples():
        if not name.startswith("test_"):
            assert set(labels) <= allowed[name], name


def _samples(one: Definition) -> list[str]:
    if one.kind is Kind.HISTOGRAM:
        return [f"{one.prometheus}{suffix}" for suffix in ("_bucket", "_count", "_sum", "_created")]
    created = one.prometheus.removesuffix("_total") + "_created"
    return [one.prometheus, created]
