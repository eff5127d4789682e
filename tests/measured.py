"""What `/metrics` tells, as numbers; and whether Prometheus understands it."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator, Mapping

from prometheus_client.parser import text_string_to_metric_families

from isthmus.common.telemetry import metrics_text


def samples(text: str | None = None) -> Iterator[tuple[str, Mapping[str, str], float]]:
    """Give the name, the labels that say something, and the value of each; of this process without a text."""
    for family in text_string_to_metric_families(metrics_text().decode() if text is None else text):
        for sample in family.samples:
            yield sample.name, {name: said for name, said in sample.labels.items() if said}, sample.value


def measured(name: str, text: str | None = None, **labels: str) -> float | None:
    """Give what has these labels and no others; None where there is nothing."""
    found = [value for its, said, value in samples(text) if its == name and said == labels]
    return found[0] if found else None


def total(name: str, text: str | None = None, **labels: str) -> float:
    """Add up what has these labels, whichever others it has."""
    return sum(value for its, said, value in samples(text) if its == name and labels.items() <= said.items())


def told(name: str, text: str | None = None, **labels: str) -> list[Mapping[str, str]]:
    """Give the other labels of all that has these."""
    return [
        {key: value for key, value in said.items() if key not in labels}
        for its, said, _ in samples(text)
        if its == name and labels.items() <= said.items()
    ]


async def promtool(text: str) -> str:
    """Have Prometheus' own checker read metrics, and give what it says."""
    program = shutil.which("promtool")
    assert program is not None, "tests/peers/install installs it"
    checked = await asyncio.to_thread(
        subprocess.run,
        [program, "check", "metrics"],
        input=text.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return f"{checked.stdout.decode()}{checked.returncode or ''}"
