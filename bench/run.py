"""One run: everything is started once, measured, and written down."""

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.contestants import ContestantFailed
from bench.machine import describe
from bench.measures import MEASURES
from bench.options import RESULTS, Options
from bench.site import Site
from bench.table import Section, failed, markdown


def main(arguments: Sequence[str]) -> None:
    """Measure what the command line says, and write the table."""
    options = parse(arguments)
    text = run(options)
    options.output.write_text(text)
    sys.stdout.write(text)


def run(options: Options) -> str:
    """Measure, and give the text of results.md; a measure that fails is a line in the table."""
    started = time.monotonic()
    sections = []
    with Site(options) as site:
        for name in MEASURES:
            if name in (options.only or MEASURES):
                sys.stderr.write(f"{time.monotonic() - started:5.0f} s  {name}\n")
                sections.append(_measure(name, site))
    return _text(options, sections, time.monotonic() - started)


def _measure(name: str, site: Site) -> Section:
    try:
        return MEASURES[name](site)
    except ContestantFailed as reason:
        return Section(name, [failed(name, reason)])


def _text(options: Options, sections: Sequence[Section], seconds: float) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    pixels = f"{options.pixels} x {options.pixels} x 16 bit"
    return (
        "# Results of `make bench`\n\n"
        f"- {now}, {seconds:.0f} s; {options.instances} CT images of {pixels}, {options.rounds} rounds\n"
        f"{describe()}\n"
        "Ratios are of medians; a speed is a multiple of the other's speed. What each line means, and who is "
        f"compared: README.md.\n\n{markdown(sections)}"
    )


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line."""
    defaults = Options()
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description="Measure Isthmus.")
    parser.add_argument("--instances", type=int, default=defaults.instances, help="of the study")
    parser.add_argument("--rounds", type=int, default=defaults.rounds)
    parser.add_argument("--only", type=_names, default=defaults.only, help=f"of {', '.join(MEASURES)}")
    parser.add_argument(
        "--rival", type=_rival, action="append", default=[], metavar="NAME=URL", help="a DICOMweb base URL"
    )
    parser.add_argument("--pacs-port", type=int, help="where Orthanc listens for DIMSE, for rivals before it")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the table goes")
    given = parser.parse_args(arguments)
    return Options(
        instances=given.instances,
        rounds=given.rounds,
        only=given.only,
        rivals=dict(given.rival),
        pacs_port=given.pacs_port,
        output=given.output,
    )


def _names(text: str) -> frozenset[str]:
    names = frozenset(text.split(","))
    if unknown := names - MEASURES.keys():
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return names


def _rival(text: str) -> tuple[str, str]:
    name, equals, url = text.partition("=")
    if not name or not equals or not url.startswith("http://"):
        raise argparse.ArgumentTypeError("is no NAME=http://...")
    return name, url
